"""How a step of sealing is written into a migration: short, and one argument a line where there is much to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alembic.autogenerate.render import _repr_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.autogenerate.api import AutogenContext

IMPORT: Final = "import amanah.operations  # noqa: F401 - gives op Amanah's operations"
_WIDTH: Final = 84  # and four of indentation: what the strictest of formatters leaves alone


def call(context: AutogenContext, name: str, table: str, columns: Any, facts: Mapping[str, Any]) -> str:
    """The Python text of one operation; facts that are empty, and no columns, are left out."""
    prefix = context.opts.get("alembic_module_prefix") or "op."
    said = [_text(context, one) for one in (table, columns) if one is not None]
    said += [f"{fact}={_text(context, value)}" for fact, value in facts.items() if value]
    short = f"{prefix}{name}({', '.join(said)})"
    if len(short) <= _WIDTH:
        return short
    return "\n".join([f"{prefix}{name}(", *(f"    {one}," for one in said), ")"])


def _text(context: AutogenContext, value: Any) -> str:
    if isinstance(value, str):
        quoted = repr(value)
        return quoted if '"' in value or quoted.startswith('"') else f'"{quoted[1:-1]}"'
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_text(context, one) for one in value)}]"
    if isinstance(value, dict):
        pairs = (f"{_text(context, name)}: {_text(context, one)}" for name, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    return str(_repr_type(value, context))  # the way Alembic itself writes a type, imports included
