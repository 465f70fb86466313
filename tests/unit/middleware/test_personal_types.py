"""A column that is stored plain has in the database the very type that it has without a declaration."""

from __future__ import annotations

import pytest
from sqlalchemy import JSON, Date, DateTime, Enum, Numeric, String, Text, Uuid
from sqlalchemy.dialects import postgresql, sqlite

from amanah import Personal


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()], ids=["postgresql", "sqlite"])
@pytest.mark.parametrize(
    "type_",
    [Text(), String(20), Date(), DateTime(timezone=True), Numeric(12, 2), JSON(), Uuid(), Enum("a", "b", name="e")],
    ids=["text", "string", "date", "datetime", "numeric", "json", "uuid", "enum"],
)
@pytest.mark.parametrize("how", [{"sealed": False}, {"sealing": "write_both"}, {"sealing": "read_sealed"}], ids=str)
def test_a_column_that_is_stored_plain_keeps_its_type(dialect, type_, how):
    """TEXT is not made, or compared by the application's own migrations, as VARCHAR."""
    compiler = dialect.type_compiler_instance
    assert compiler.process(Personal(type_, category="user.name", **how)) == compiler.process(type_)
