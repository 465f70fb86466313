"""Raw SQL inside a statement that SQLAlchemy builds."""

from __future__ import annotations

import re
from typing import Any

from ..errors import AmanahError, RawSqlRefused, RawSqlUnclosed
from .compiler_state import Compiling
from .declared_sql import DeclaredText
from .raw import check_raw
from .shape import refuse, rehearsing
from .sql_words import readings


class RawText(Compiling):
    """Whatever is written into the statement as it is."""

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> str:
        """Raw SQL: a whole statement, or a piece of one."""
        if isinstance(textclause, DeclaredText):
            if len(self.stack) > 1:  # inside another statement it would be decided by nobody
                refuse(RawSqlRefused(name="a declared report inside another statement"))
        elif self.stack:
            self._check_fragment(textclause.text)
        else:
            self._check_whole(textclause.text)
        return super().visit_textclause(textclause, *args, **kw)

    def visit_textual_select(self, taf: Any, *args: Any, **kw: Any) -> str:
        """``text(…).columns(…)``: raw SQL whatever its columns are said to be."""
        if not isinstance(taf.element, DeclaredText):
            self._check_whole(taf.element.text)
            return super().visit_textual_select(taf, *args, **kw)
        self._names_results = taf.column_args
        try:
            return super().visit_textual_select(taf, *args, **kw)
        finally:
            self._names_results = ()

    def visit_tstring_text(self, element: Any, **kw: Any) -> str:
        """The fixed parts of a template string (SQLAlchemy 2.1) are raw SQL."""
        self._check_fragment(element.text)
        return super().visit_tstring_text(element, **kw)

    def get_statement_hint_text(self, hint_texts: Any) -> str:
        """A hint stands at the end of the statement as it is: raw SQL."""
        for text in hint_texts:
            self._check_fragment(text)
        return super().get_statement_hint_text(hint_texts)

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        """``column.op("…")``: the operator is raw SQL."""
        self._check_operator(operator)
        return super().visit_custom_op_binary(element, operator, **kw)

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        """An operator of one side, as above."""
        self._check_operator(operator)
        return super().visit_custom_op_unary_operator(element, operator, **kw)

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> str:
        """An operator behind its side, as above."""
        self._check_operator(operator)
        return super().visit_custom_op_unary_modifier(element, operator, **kw)

    def _check_operator(self, operator: Any) -> None:
        """A star in an operator is no star of a SELECT; in a sign of a comment it is one of a comment."""
        self._check_closed(operator.opstring)
        self._check_fragment(operator.opstring.replace("*", ""))

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        """``EXTRACT(field FROM …)``: the field is one word."""
        if not str(extract.field).isidentifier() and not self.register.empty:
            refuse(RawSqlRefused(name="EXTRACT"))
        return super().visit_extract(extract, **kw)

    def _check_words(self, text: str) -> None:
        """Raw SQL inside a statement. While observing, a personal column's name may be that of another table's column.

        It is refused where the statement turns out to touch something enforced; naming a table is refused at once.
        """
        if not self.register.lenient:
            check_raw(self.register, text, self.dialect.name, fragment=True)
            return
        check_raw(self.register, text, self.dialect.name, fragment=False)
        try:
            with rehearsing():
                check_raw(self.register, text, self.dialect.name, fragment=True)
        except AmanahError as doubt:
            self._doubts.append(doubt)

    def _check_whole(self, text: str) -> None:
        """A whole statement; inside another one it leaves nothing open."""
        check_raw(self.register, text, self.dialect.name, fragment=False)
        if self.stack:
            self._check_closed(text)

    def _check_closed(self, text: str) -> None:
        if not self.register.empty and not all(one.closed for one in readings(text, self.dialect.name)):
            refuse(RawSqlUnclosed())

    def _check_fragment(self, text: str) -> None:
        self._check_words(text)
        self._loose.update(re.findall(r"[^\W\d][\w$]*", text.lower()))
