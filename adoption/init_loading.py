"""The application's own objects by their names, ``module:attribute``; each mistake has its sentence.

Importing runs the application's code. What that raises is told by its last line and the place in the application's own
files: a stack through Amanah and importlib would hide it.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import NotImportable, ReferenceWrong
from ..i18n import N_

if TYPE_CHECKING:
    from types import TracebackType

_REFERENCE: Final = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<attribute>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_OURS: Final = str(Path(__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class Loaded:
    """An object of the application and how it is written in Python. ``called``: the attribute is a function for it."""

    value: Any
    module: str
    attribute: str
    called: bool = False

    @property
    def reference(self) -> str:
        """As it was given."""
        return f"{self.module}:{self.attribute}"


def load_app(reference: str) -> Loaded:
    """The ASGI application, or what the function of that name makes. Raises `NotImportable` and `ReferenceWrong`."""
    module, attribute, found = _load(reference)
    if not _is_factory(found):
        if not callable(found) or isinstance(found, type):
            raise ReferenceWrong(reference=reference, detail=N_("it is no ASGI application"), example="myshop.main:app")
        return Loaded(found, module, attribute)
    with _told(reference):
        made = found()
    if not callable(made):
        raise ReferenceWrong(
            reference=reference, detail=N_("it makes no ASGI application"), example="myshop.main:create_app"
        )
    return Loaded(made, module, attribute, called=True)


def load_metadata(reference: str) -> Loaded:
    """The `MetaData` with the application's tables; of a declarative base its ``metadata`` is taken."""
    module, attribute, found = _load(reference)
    if not isinstance(found, MetaData) and isinstance(getattr(found, "metadata", None), MetaData):
        found, attribute = found.metadata, f"{attribute}.metadata"
    example = "myshop.models:Base.metadata"
    if not isinstance(found, MetaData):
        raise ReferenceWrong(reference=reference, detail=N_("it is no MetaData of SQLAlchemy"), example=example)
    if not found.tables:
        raise ReferenceWrong(
            reference=reference,
            detail=N_("it holds no tables: name the module that imports all models"),
            example=example,
        )
    return Loaded(found, module, attribute)


def load_engine(reference: str) -> Loaded:
    """The engine by which the application reaches its database."""
    module, attribute, found = _load(reference)
    if not isinstance(found, Engine | AsyncEngine):
        raise ReferenceWrong(
            reference=reference, detail=N_("it is no engine of SQLAlchemy"), example="myshop.database:engine"
        )
    return Loaded(found, module, attribute)


def engines_beside(app: Loaded) -> list[Loaded]:
    """The engines that the application's own modules (of the same package) hold by a name, each once."""
    package = app.module.partition(".")[0]
    found: dict[int, Loaded] = {}
    for name, module in sorted(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for attribute, value in sorted(vars(module).items()):
                if isinstance(value, Engine | AsyncEngine):
                    one = Loaded(value, name, attribute)
                    if id(value) not in found or _defines(module, attribute):
                        found[id(value)] = one
    state = getattr(getattr(app.value, "state", None), "_state", {})
    for attribute, value in sorted(state.items() if isinstance(state, dict) else ()):
        if isinstance(value, Engine | AsyncEngine) and id(value) not in found:
            found[id(value)] = Loaded(value, "", f"state.{attribute}")
    return list(found.values())


def _defines(module: Any, name: str) -> bool:
    """Whether the module assigns that name itself and did not import it."""
    try:
        return re.search(rf"^{re.escape(name)}\b[^=\n]*=", inspect.getsource(module), re.MULTILINE) is not None
    except (OSError, TypeError):
        return False


def _is_factory(found: Any) -> bool:
    """A function that takes nothing necessary. An application takes scope, receive and send."""
    if not inspect.isfunction(found) or inspect.iscoroutinefunction(found):
        return False
    required = (one for one in inspect.signature(found).parameters.values() if one.default is one.empty)
    return all(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in required)


def _load(reference: str) -> tuple[str, str, Any]:
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise ReferenceWrong(
            reference=reference, detail=N_("it is not written module:attribute"), example="myshop.main:app"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    with _told(parts["module"]):
        found: Any = importlib.import_module(parts["module"])
    for part in parts["attribute"].split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ReferenceWrong(
                reference=reference, detail=N_("there is no such name in it"), example="myshop.main:app", name=part
            ) from None
    return parts["module"], parts["attribute"], found


class _told:  # noqa: N801 - used like a function
    """Turns whatever the application's code raises into an error that shows its last line."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        self._warnings.__enter__()
        warnings.simplefilter("ignore")  # their warnings are not about this command

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._warnings.__exit__(kind, error, trace)
        if isinstance(error, Exception | SystemExit):
            raise NotImportable(module=self.module, line=_last_line(error), place=_place(error)) from None


def _last_line(error: BaseException) -> str:
    """The traceback's last line, without the stack; of several lines the first, for the others quote values."""
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return lines[-1 if isinstance(error, SyntaxError) else 0][:300]


def _place(error: BaseException) -> str:
    """Where it was raised in the application's own files, as ``file:line``; "-" where none is involved."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", _OURS))
        and "site-packages" not in frame.filename
        and not frame.filename.startswith(sys.base_prefix)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "-"
