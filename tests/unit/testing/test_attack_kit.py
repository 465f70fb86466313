"""The attack kit passes where the walls stand, and each of its attacks goes red where one is missing."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import String, create_engine, make_url

from amanah.encryption.cipher import TenantCipher
from amanah.encryption.keyring import Keyring
from amanah.encryption.subject_sealing import Secret
from amanah.middleware.personal import Personal
from amanah.middleware.subjects import SubjectSecrets
from amanah.testing import on_cells, on_indexes, on_keys, on_rows, on_secrets, plugin
from amanah.testing.bare import Bare
from amanah.testing.on_keys import FailingKeys, KeyServiceDown
from amanah.testing.stage import Stage, telling
from amanah.testing.target import SealedNames, sealed_in
from amanah.testing.verdicts import KnownLimit, Leaked, NotApplicable, TooLittleData
from tests import attack_world, second_wall_world, sql_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ATTACKS: dict[str, Callable[[Stage, Any], None]] = {
    name: getattr(module, name)
    for module in (on_cells, on_indexes, on_keys, on_rows, on_secrets)
    for name in module.__all__
    if name not in ("FailingKeys", "KeyServiceDown", "edit_row", "must_be_found")
}
COLUMNS = ("letter.addressee", "letter.body", "patient.phone", "remark.words", "slip.body", "visit.photo")
ENDS: dict[str, tuple[str, ...]] = {  # for these columns, in this order
    "exchange_rows": ("passes", "n/a", "passes", "passes", "leaks", "passes"),
    "exchange_columns": ("n/a", "n/a", "passes", "n/a", "n/a", "n/a"),
    "replay": ("limit", "n/a", "limit", "limit", "limit", "passes"),
    "strip_index": ("passes", "n/a", "passes", "n/a", "n/a", "n/a"),
    "exchange_tokens": ("passes", "n/a", "passes", "n/a", "n/a", "n/a"),
    "forge_secret": ("n/a", "n/a", "passes", "n/a", "n/a", "n/a"),
    "forge_erasure": ("n/a", "n/a", "passes", "n/a", "n/a", "n/a"),
}
ELSE = ("passes", "n/a", "passes", "passes", "passes", "passes")
ENDED = {NotApplicable: "n/a", KnownLimit: "limit", Leaked: "leaks"}


def end_of(attack: Callable[[Stage, Any], None], stage: Stage, aim: Any) -> str:
    """How the attack ended, as a word."""
    try:
        attack(stage, aim)
    except (NotApplicable, KnownLimit, Leaked) as end:
        return ENDED[type(end)]
    return "passes"


def contents(stage: Stage) -> list[Any]:
    """All that the attacked tables hold."""
    names = ("patient", "visit", "remark", "letter", "slip")
    return [sorted(map(repr, stage.bare.execute(f"SELECT * FROM {name}"))) for name in (*names, "amanah_subject")]


def test_each_attack_ends_as_the_reference_says_and_leaves_no_trace(database_url: str, tmp_path: Any) -> None:
    """On both databases, in place and beside, by key, by parent, under a person's secret: and all is as before."""
    world, target = attack_world.build(database_url, tmp_path)
    stage = Stage(target)
    try:
        before = contents(stage)
        ended = {
            name: tuple(end_of(attack, stage, stage.field(column)) for column in COLUMNS)
            for name, attack in ATTACKS.items()
        }
        assert ended == {name: ENDS.get(name, ELSE) for name in ATTACKS}
        assert end_of(on_rows.edit_row, stage, stage.table("visit")) == "passes"
        assert end_of(on_rows.edit_row, stage, stage.table("patient")) == "n/a"
        after = contents(stage)
        assert [len(rows) for rows in after] == [len(rows) for rows in before]
        assert after == before
    finally:
        stage.close()
        world.close()


@pytest.mark.postgresql
def test_it_runs_behind_the_second_wall(postgres_database: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's role is held by row-level security; the kit's own way in is the one of the commands."""
    made, _ = attack_world.build(postgres_database, tmp_path)
    role = f"kit_{secrets.token_hex(6)}"
    above = create_engine(postgres_database)
    with above.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD '{role}' NOSUPERUSER NOBYPASSRLS")
        for things in ("TABLES", "SEQUENCES"):
            connection.exec_driver_sql(f"GRANT ALL ON ALL {things} IN SCHEMA public TO {role}")
        second_wall_world.steps(connection, made.guard.register)
    made.close()
    url = make_url(postgres_database).set(username=role, password=role).render_as_string(hide_password=False)
    monkeypatch.setenv("AMANAH_OWNER_URL", postgres_database)
    held = sql_world.build(url, tmp_path, made=attack_world.models(), declared=attack_world.declared(), filled=True)
    stage = Stage(attack_world.target(held))
    try:
        assert held.stored("SELECT * FROM patient") == []
        ended = {
            name: tuple(end_of(attack, stage, stage.field(column)) for column in COLUMNS)
            for name, attack in ATTACKS.items()
        }
        assert ended == {name: ENDS.get(name, ELSE) for name in ATTACKS}
        assert end_of(on_rows.edit_row, stage, stage.table("visit")) == "passes"
    finally:
        stage.close()
        held.close()
        with above.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")
        above.dispose()


# -- walls taken away ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _staged(tmp_path_factory: Any) -> Iterator[tuple[Any, Stage]]:
    folder = tmp_path_factory.mktemp("attacked")
    with pytest.MonkeyPatch.context() as patch:
        SEEN.clear()
        remember(patch)
        world, target = attack_world.build(f"sqlite:///{folder / 'app.db'}", folder)
        stage = Stage(target)
    yield world, stage
    stage.close()
    world.close()


@pytest.fixture
def stage(_staged: tuple[Any, Stage]) -> Stage:
    """The stage of this module, on SQLite: each attack puts back what it changes."""
    return _staged[1]


@pytest.fixture
def world(_staged: tuple[Any, Stage]) -> Any:
    """What it stands on."""
    return _staged[0]


SEEN: dict[bytes, bytes] = {}
"""Envelope → what was sealed."""


def remember(patch: pytest.MonkeyPatch) -> None:
    """Keep what is sealed, for a cipher that checks nothing."""
    seal, seal_for = TenantCipher.seal, TenantCipher.seal_for

    def sealed(self: Any, field: str, place: bytes, plaintext: bytes) -> bytes:
        SEEN[envelope := seal(self, field, place, plaintext)] = plaintext
        return envelope

    def sealed_for(self: Any, secret: Any, place: bytes, plaintext: bytes) -> bytes:
        SEEN[envelope := seal_for(self, secret, place, plaintext)] = plaintext
        return envelope

    patch.setattr(TenantCipher, "seal", sealed)
    patch.setattr(TenantCipher, "seal_for", sealed_for)


def careless(envelope: bytes) -> bytes:
    """What was sealed, or something like it: nothing is ever refused."""
    return SEEN.get(envelope) or next((v for k, v in SEEN.items() if k[:20] == envelope[:20]), b"1990-01-02")


def open_by(patch: pytest.MonkeyPatch, how: Any) -> None:
    """Values open by ``how(cipher, field, place, envelope)``, one by one and in columns."""
    patch.setattr(TenantCipher, "open", how)
    patch.setattr(TenantCipher, "opener", lambda self, field: lambda place, envelope: how(self, field, place, envelope))


@pytest.fixture
def careless_cipher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cipher that checks neither place nor key nor integrity, and gets along without secrets."""
    open_by(monkeypatch, lambda _s, _f, _p, envelope: careless(envelope))
    monkeypatch.setattr(TenantCipher, "open_for", lambda _s, _secret, _p, envelope: careless(envelope))
    monkeypatch.setattr(SubjectSecrets, "secret", lambda *_: Secret.new())


@pytest.mark.parametrize(
    "attack",
    [
        "exchange_rows",
        "exchange_columns",
        "exchange_tables",
        "exchange_tenants",
        "move_row",
        "truncate",
        "flip_bits",
        "plant_plaintext",
        "forge_secret",
        "forge_erasure",
    ],
)
def test_a_cipher_that_checks_nothing_is_found(stage: Stage, careless_cipher: None, attack: str) -> None:
    """Wherever a value opens although it was moved, changed or is another person's, the attack goes red."""
    stage.two(stage.field("patient.born"))
    with pytest.raises(Leaked) as leaked:
        ATTACKS[attack](stage, stage.field("patient.born"))
    assert "patient.born of the row" in str(leaked.value)
    assert not any(text in str(leaked.value) for text in ("1990-01-02", "1990-02-02"))


def test_a_column_that_is_bound_to_no_row_is_found(stage: Stage) -> None:
    """A key that the database makes; the message says what to do about it, and whose value was shown."""
    with pytest.raises(Leaked, match=r"showed the value of slip.body of the row a2, of tenant a. Give the table a key"):
        on_cells.exchange_rows(stage, stage.field("slip.body"))


def test_a_replay_that_shows_something_else_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the cell's own older value is the documented limit."""
    field = stage.field("patient.tax")
    one, _ = stage.two(field)
    look = Stage.look
    shown = iter([None, ["another's"], ["another's"]])
    monkeypatch.setattr(Stage, "look", lambda self, *a, **k: next(shown) or look(self, *a, **k))
    with pytest.raises(Leaked, match="an older sealed value was put back"):
        on_cells.replay(stage, field)
    monkeypatch.undo()
    assert stage.look(one) == [one.value]


def test_a_replay_under_a_seal_that_always_holds_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the row's seal is over the column there is no limit to refer to; elsewhere its remedy is named."""
    with pytest.raises(KnownLimit, match="name words in __sealed_rows__ of its table"):
        on_cells.replay(stage, stage.field("remark.words"))
    stage.two(stage.field("visit.photo"))
    monkeypatch.setattr(TenantCipher, "check_row_seal", lambda *_: True)
    with pytest.raises(Leaked, match=r"an older value of visit.photo .* was put back, and the row was loaded"):
        on_cells.replay(stage, stage.field("visit.photo"))


def test_a_hole_in_the_wall_is_found(world: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket of another tenant that shows this one's rows: by key, in a list, and without any access."""
    field = stage.field("patient.phone")
    cell = stage.two(field)[0]
    monkeypatch.setattr(stage, "target", replace(stage.target, access=lambda _: world.access("a")))
    with pytest.raises(Leaked, match="to another tenant who named its key"):
        on_rows.use_another_ticket(stage, field)
    monkeypatch.setattr(stage, "look", lambda *_: [])
    with pytest.raises(Leaked, match="another tenant was shown rows of patient"):
        on_rows.use_another_ticket(stage, field)
    with world.access("a"), pytest.raises(Leaked, match="without an access"):
        on_rows._must_ask(stage, cell)


def test_an_engine_that_is_not_protected_is_found(world: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes out, it is no answer of a wall."""
    stage.two(stage.field("remark.words"))
    monkeypatch.setattr(stage, "target", replace(stage.target, engine=create_engine(world.url)))
    with pytest.raises(Leaked, match="Give the guard every engine"):
        on_rows.use_another_ticket(stage, stage.field("remark.words"))
    stage.target.engine.dispose()


def test_raw_sql_that_is_executed_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even though it would show ciphertext."""
    for module in ("hooks", "compiler_raw"):
        monkeypatch.setattr(f"amanah.middleware.{module}.check_raw", lambda *_, **__: None)
    cell = stage.two(stage.field("patient.tax"))[0]
    with pytest.raises(Leaked, match="raw SQL"):
        on_rows._must_ask(stage, cell)


def test_a_search_that_does_not_go_by_tokens_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken away, they must be missed."""
    field = stage.field("patient.phone")
    stage.two(field)
    monkeypatch.setattr(Bare, "write", lambda *_: None)
    with pytest.raises(Leaked, match="found without its search tokens"):
        on_indexes.strip_index(stage, field)


def test_a_search_that_shows_anothers_value_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a search finds, each row shows its own value."""
    field = stage.field("letter.addressee")
    one, other = stage.two(field)
    swapped = {one.value: other.value, other.value: one.value}
    opened = TenantCipher.open
    open_by(monkeypatch, lambda *a: swapped[opened(*a).decode()].encode())
    with pytest.raises(Leaked, match="another one's value"):
        on_indexes.exchange_tokens(stage, field)
    monkeypatch.setattr(on_indexes, "_found", lambda _stage, cell: {cell.key})
    with pytest.raises(Leaked, match=r"showed the value of letter\.addressee of the row"):
        on_indexes.exchange_tokens(stage, field)


def test_a_search_that_never_found_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack on tokens that do not work would pass for nothing."""
    stage.two(stage.field("patient.phone"))
    monkeypatch.setattr(TenantCipher, "token", lambda *_: b"0" * 16)
    with pytest.raises(Leaked, match="does not find it before"):
        on_indexes.strip_index(stage, stage.field("patient.phone"))


def test_a_row_that_was_edited_unseen_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal that always holds."""
    monkeypatch.setattr(TenantCipher, "check_row_seal", lambda *_: True)
    with pytest.raises(Leaked, match="was edited behind the application, and the row was loaded"):
        on_rows.edit_row(stage, stage.table("visit"))
    monkeypatch.setattr(TenantCipher, "check_row_seal", lambda *_: False)
    with pytest.raises(Leaked, match="although nobody edited it"):
        on_rows.edit_row(stage, stage.table("visit"))


def leaks_into_the_log(plaintext: bytes) -> None:
    """As a careless debug line does."""
    logging.getLogger("app").debug("sealing %s", plaintext)


def leaks_into_the_error(plaintext: bytes) -> None:
    """As a careless check does."""
    raise ValueError(f"cannot seal {plaintext!r}")


@pytest.mark.parametrize("leak", [leaks_into_the_log, leaks_into_the_error])
def test_a_plaintext_in_an_error_or_a_log_is_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, leak: Callable[[bytes], None]
) -> None:
    """In the middle of a flush, while the key service is away; the message does not repeat it."""
    seal = TenantCipher.seal

    def sealed(self: Any, field: str, place: bytes, plaintext: bytes) -> bytes:
        if field == "remark.words":  # and not what the trail seals
            leak(plaintext)
        return seal(self, field, place, plaintext)

    monkeypatch.setattr(TenantCipher, "seal", sealed)
    with pytest.raises(Leaked, match="stands in an error or a log") as leaked:
        on_keys.fail_keys(stage, stage.field("remark.words"))
    assert "a remark" not in str(leaked.value)


def test_an_error_of_the_key_services_own_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service's client raises must have become one of Amanah's errors."""

    def load(self: Any, tenant: str) -> Any:
        return self._provider.unwrap(b"", b"", tenant)

    monkeypatch.setattr(Keyring, "_load", load)
    with pytest.raises(Leaked, match="KeyServiceDown came out"):
        on_keys.fail_keys(stage, stage.field("remark.words"))


def test_another_errors_than_amanahs_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed value that makes the driver or the codec stumble is not refused but broken."""
    stage.two(stage.field("patient.tax"))

    def stumbles(*_: Any) -> bytes:
        raise IndexError

    open_by(monkeypatch, stumbles)
    with pytest.raises(Leaked, match="IndexError came out, no error of Amanah's"):
        on_cells.truncate(stage, stage.field("patient.tax"))


# -- what the developer gets wrong -----------------------------------------------------------------------------------


def test_too_little_data_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row is not enough, a mask is no value, and a column that is not sealed cannot be attacked."""
    field = stage.field("patient.born")
    monkeypatch.setattr(stage, "_cells", {(field, "a"): stage.cells(field, "a")[:1]})
    with pytest.raises(TooLittleData, match="in two rows"):
        stage.two(field)
    with pytest.raises(TooLittleData, match="for two persons"):
        on_secrets.forge_secret(replace_two(stage, field), field)
    for name in ("visit.status", "nothing.at_all"):
        with pytest.raises(TooLittleData, match="built from the same"):
            stage.field(name)
    masking = replace(stage.target, access=lambda t: stage_world_access(stage, t))
    monkeypatch.setattr(stage, "target", masking)
    monkeypatch.setattr(stage, "_cells", {})
    with pytest.raises(TooLittleData, match="in clear"):
        stage.cells(field, "a")


def replace_two(stage: Stage, field: Any) -> Any:
    """A stage that has one row of that column, and thinks that it is two."""
    cell = stage._cells[field, "a"][0]
    stage.two = lambda *_: (cell, cell)  # type: ignore[method-assign]
    return stage


def stage_world_access(stage: Stage, tenant: str) -> Any:
    """Somebody who does not see everything."""
    return stage.target.guard.access(
        tenant=tenant, actor="masker", purpose="essential.service.payment_processing", reason="test"
    )


def test_one_tenant_is_enough_for_a_fixed_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs a second one does not apply."""
    monkeypatch.setattr(stage, "target", replace(stage.target, tenants=("a",)))
    for attack in (on_cells.exchange_tenants, on_rows.move_row, on_rows.use_another_ticket):
        assert end_of(attack, stage, stage.field("patient.born")) == "n/a"
    assert end_of(on_secrets.forge_secret, stage, stage.field("patient.born")) == "passes"


def test_the_names_are_what_the_guard_seals(world: Any) -> None:
    """Read off the models and declarations, also once a guard has changed their types."""
    for made in (attack_world.models(), world.m):
        names = sealed_in(made.Base.metadata, attack_world.declared())
        assert names.columns == (
            "letter.addressee",
            "letter.body",
            "patient.born",
            "patient.phone",
            "patient.tax",
            "remark.words",
            "slip.body",
            "visit.photo",
        )
        assert names.searched == ("letter.addressee", "patient.phone")
        assert names.tables == ("visit",)


def test_a_test_module_without_names_is_told_so() -> None:
    """Instead of running no attack at all."""
    names = SealedNames((), (), ())
    assert plugin._sealed_names(SimpleNamespace(amanah_sealed=names)) is names
    with pytest.raises(pytest.UsageError, match="amanah_sealed = sealed_in"):
        plugin._sealed_names(SimpleNamespace())


def test_a_failing_key_service_answers_as_often_as_it_was_told(world: Any) -> None:
    """And then with an error that is not Amanah's."""
    keys = FailingKeys(world.guard.provider, 1)
    wrapped = keys.wrap(b"k" * 32, b"c", keys.key_id())
    for ask in (
        lambda: keys.unwrap(wrapped, b"c", keys.key_id()),
        lambda: keys.wrap(b"k" * 32, b"c", keys.key_id()),
        lambda: keys.create_key("epoch"),
        lambda: keys.destroy_key("none"),
    ):
        with pytest.raises(KeyServiceDown, match="does not answer"):
            ask()


def test_values_that_are_too_short_to_tell_are_not_looked_for() -> None:
    """A log holds many a "5" by chance; parts of JSON are looked for one by one."""
    assert telling(5) == telling(True) == telling(0.123456789) == telling("pria") == []
    assert telling({"name": "Budi Santoso", "age": 5, "of": ["Siti Aminah"]}) == ["Budi Santoso", "Siti Aminah"]
    assert b"photo 1".hex() in telling(b"photo 1")
    assert Personal(String, category="user.name").search is None
