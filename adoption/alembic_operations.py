"""The steps of sealing a live column, as operations of the application's own Alembic.

``import amanah.operations`` in a migration gives ``op`` four steps and the four ways back. A way back takes the same
arguments as its step. The operations need neither the guard nor the models: all they go by stands in the migration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.operations import Operations

from .alembic_step import SealingStep, lists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.types import TypeEngine


@Operations.register_operation("add_sealed_columns")
@Operations.register_operation("drop_sealed_columns")
class SealedColumns(SealingStep):
    """Step 1: columns for envelopes and tokens beside the plain ones, which go on being read."""

    names = ("add_sealed_columns", "drop_sealed_columns")

    def __init__(
        self,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        search: Sequence[str] = (),
        indexes: Mapping[str, Sequence[str]] | None = None,
        back: bool = False,
    ) -> None:
        super().__init__(table, columns, row=row, back=back)
        self.search = tuple(search)
        self.indexes = {name: tuple(over) for name, over in (indexes or {}).items()}

    def facts(self) -> dict[str, Any]:
        """See `SealingStep.facts`."""
        return super().facts() | {"search": list(self.search), "indexes": lists(self.indexes)}

    @classmethod
    def add_sealed_columns(
        cls,
        operations: Operations,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        search: Sequence[str] = (),
        indexes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Add the columns beside ``columns``. A row that an old process writes is left to be sealed again.

        Args:
            operations: Alembic's.
            table: whose columns they are.
            columns: the plain columns.
            row: the columns that say to which row a value is sealed: the primary key, and the tenant.
            search: those of ``columns`` that are searched, by tokens.
            indexes: indexes over tokens, name to columns.
        """
        operations.invoke(cls(table, columns, row=row, search=search, indexes=indexes))

    @classmethod
    def drop_sealed_columns(
        cls,
        operations: Operations,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        search: Sequence[str] = (),
        indexes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """The way back from `add_sealed_columns`. Raises `RowsOnlySealed` where values would be lost."""
        operations.invoke(cls(table, columns, row=row, search=search, indexes=indexes, back=True))


@Operations.register_operation("read_sealed_columns")
@Operations.register_operation("read_plain_columns")
class ReadColumns(SealingStep):
    """Step 2: the sealed columns can be read, because the database refuses whoever writes the plain one only."""

    names = ("read_sealed_columns", "read_plain_columns")

    def __init__(
        self,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        search: Sequence[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
        back: bool = False,
    ) -> None:
        super().__init__(table, columns, row=row, back=back)
        self.search = tuple(search)
        self.unique = {name: tuple(over) for name, over in (unique or {}).items()}

    def facts(self) -> dict[str, Any]:
        """See `SealingStep.facts`."""
        return super().facts() | {"search": list(self.search), "unique": lists(self.unique)}

    @classmethod
    def read_sealed_columns(
        cls,
        operations: Operations,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        search: Sequence[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """From here on the database refuses a write that leaves a sealed value stale.

        Args:
            operations: Alembic's.
            table: whose columns they are.
            columns: the plain columns.
            row: the columns that say to which row a value is sealed.
            search: those of ``columns`` that are searched.
            unique: unique indexes over tokens, name to columns.

        Raises `RowsNotSealed` while rows are left to be sealed, and `ValuesRepeated` where tokens are not unique.
        """
        operations.invoke(cls(table, columns, row=row, search=search, unique=unique))

    @classmethod
    def read_plain_columns(
        cls,
        operations: Operations,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        search: Sequence[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """The way back from `read_sealed_columns`. Raises `RowsOnlySealed`."""
        operations.invoke(cls(table, columns, row=row, search=search, unique=unique, back=True))


@Operations.register_operation("release_plain_columns")
@Operations.register_operation("require_plain_columns")
class ReleasedColumns(SealingStep):
    """Step 3: the plain columns need no value any more; what was demanded of them moves to the sealed ones."""

    names = ("release_plain_columns", "require_plain_columns")

    def __init__(
        self,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        required: Sequence[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
        indexes: Mapping[str, Sequence[str] | str] | None = None,
        back: bool = False,
    ) -> None:
        super().__init__(table, columns, row=row, back=back)
        self.required = tuple(required)
        self.unique = {name: tuple(over) for name, over in (unique or {}).items()}
        self.indexes = {name: over if isinstance(over, str) else tuple(over) for name, over in (indexes or {}).items()}

    def facts(self) -> dict[str, Any]:
        """See `SealingStep.facts`."""
        return super().facts() | {
            "required": list(self.required),
            "unique": lists(self.unique),
            "indexes": lists(self.indexes),
        }

    @classmethod
    def release_plain_columns(
        cls,
        operations: Operations,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        required: Sequence[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
        indexes: Mapping[str, Sequence[str] | str] | None = None,
    ) -> None:
        """Let the plain columns be empty, and demand of the sealed ones what was demanded of them.

        Args:
            operations: Alembic's.
            table: whose columns they are.
            columns: the plain columns.
            row: the columns that say to which row a value is sealed.
            required: those of ``columns`` that are NOT NULL.
            unique: the UNIQUE constraints over them, name to columns; they go.
            indexes: the indexes over them, name to columns, or to the CREATE INDEX where it says more; they go.

        Raises `RowsNotSealed`, `RowsWithoutValue`, and on SQLite `ForeignKeysOn` and `TableNotUnderstood`.
        """
        operations.invoke(cls(table, columns, row=row, required=required, unique=unique, indexes=indexes))

    @classmethod
    def require_plain_columns(
        cls,
        operations: Operations,
        table: str,
        columns: Sequence[str],
        *,
        row: Sequence[str],
        required: Sequence[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
        indexes: Mapping[str, Sequence[str] | str] | None = None,
    ) -> None:
        """The way back from `release_plain_columns`.

        Raises `RowsOnlySealed` before `amanah decrypt`, `RowsWithoutValue` and `ValuesRepeated`.
        """
        operations.invoke(cls(table, columns, row=row, required=required, unique=unique, indexes=indexes, back=True))


@Operations.register_operation("drop_plain_columns")
@Operations.register_operation("add_plain_columns")
class PlainColumns(SealingStep):
    """Step 4: the plain columns go."""

    names = ("drop_plain_columns", "add_plain_columns")

    def __init__(
        self, table: str, columns: Mapping[str, TypeEngine[Any]], *, row: Sequence[str], back: bool = False
    ) -> None:
        super().__init__(table, tuple(columns), row=row, back=back)
        self.types = dict(columns)

    def said(self) -> dict[str, TypeEngine[Any]]:
        """See `SealingStep.said`."""
        return self.types

    @classmethod
    def drop_plain_columns(
        cls, operations: Operations, table: str, columns: Mapping[str, TypeEngine[Any]], *, row: Sequence[str]
    ) -> None:
        """Drop the plain columns. Raises `RowsNotSealed` where a value would be lost.

        Args:
            operations: Alembic's.
            table: whose columns they are.
            columns: the plain columns, name to type; the way back needs the types.
            row: the columns that say to which row a value is sealed.
        """
        operations.invoke(cls(table, columns, row=row))

    @classmethod
    def add_plain_columns(
        cls, operations: Operations, table: str, columns: Mapping[str, TypeEngine[Any]], *, row: Sequence[str]
    ) -> None:
        """The way back from `drop_plain_columns`: the columns come back, empty until `amanah decrypt`."""
        operations.invoke(cls(table, columns, row=row, back=True))
