"""What sealing costs, beside what else there is, in one run.

    python tools/postgres.py --fsync run -- python benchmarks/encryption.py
    python benchmarks/encryption.py --parts cells
    python benchmarks/encryption.py --parts rows --databases sqlite --rows 2000

1. *cells*: one value sealed and opened, beside bare AES-256-GCM of the same library, Tink, Fernet and SQLAlchemy-Utils.
   *Hot*: the derived key is remembered, the usual case; *cold*: it is derived.
2. *rows*: rows of five columns, loaded through the ORM: plain, governed, sealed, under subject keys, SQLAlchemy-Utils.
3. *search*: one value among a million, by token and by a plain index, on PostgreSQL.

Medians of alternating rounds; ratios, so that the machine's speed cancels out. PostgreSQL is the server in
AMANAH_TEST_POSTGRES.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import encryption_rows
import encryption_search
import tink
from alternating import CLOCKS, demand, ratio, seconds, table
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import String
from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine, StringEncryptedType
from tink import aead

from amanah.encryption.cipher import TenantCipher, TenantKeys
from amanah.encryption.envelope import OVERHEAD
from amanah.encryption.netstrings import netstring
from amanah.encryption.sealing import Sealing
from amanah.encryption.subject_sealing import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

FIELD = "customer.phone"
VALUE = b"+6281234567890"
PLACE = netstring(FIELD, "0198c1de-7a11-7cc0-b52e-6d2f8a4e10aa")
NUMBER = 5_000
BARE = "bare AES-256-GCM"

Pair = tuple["Callable[[], Any]", "Callable[[], Any]"]


def pairs() -> dict[str, Pair]:
    """What seals and what opens, by contender."""
    bare = AESGCM(os.urandom(32))
    keys = TenantKeys({1: os.urandom(32)}, 1, {1: os.urandom(32)}, 1)
    cipher = TenantCipher("surabaya", keys)
    cold = Sealing(os.urandom(32), netstring(FIELD))
    secret = Secret.new()
    aead.register()
    templates = aead.aead_key_templates
    gcm = tink.new_keyset_handle(templates.AES256_GCM).primitive(aead.Aead)
    xaes = tink.new_keyset_handle(templates.XAES_256_GCM_192_BIT_NONCE).primitive(aead.Aead)
    fernet = Fernet(Fernet.generate_key())
    engine = AesGcmEngine()
    engine._update_key("a passphrase")  # noqa: SLF001 - as its column type does
    column = StringEncryptedType(String, "a passphrase", AesGcmEngine)
    text, nonce = VALUE.decode(), os.urandom(12)

    sealed = bare.encrypt(nonce, VALUE, PLACE), cipher.seal(FIELD, PLACE, VALUE), cold.seal(1, VALUE, PLACE)
    personal, by_gcm, by_xaes = (
        cipher.seal_for(secret, PLACE, VALUE),
        gcm.encrypt(VALUE, PLACE),
        xaes.encrypt(VALUE, PLACE),
    )
    token, by_engine, by_column = fernet.encrypt(VALUE), engine.encrypt(text), column.process_bind_param(text, None)
    return {
        BARE: (lambda: bare.encrypt(os.urandom(12), VALUE, PLACE), lambda: bare.decrypt(nonce, sealed[0], PLACE)),
        "Amanah, hot": (lambda: cipher.seal(FIELD, PLACE, VALUE), lambda: cipher.open(FIELD, PLACE, sealed[1])),
        "Amanah, cold": (lambda: cold.seal(1, VALUE, PLACE), lambda: cold.open(sealed[2], PLACE)),
        "Amanah, under a subject's key": (
            lambda: cipher.seal_for(secret, PLACE, VALUE),
            lambda: cipher.open_for(secret, PLACE, personal),
        ),
        "Tink, AES256_GCM": (lambda: gcm.encrypt(VALUE, PLACE), lambda: gcm.decrypt(by_gcm, PLACE)),
        "Tink, XAES_256_GCM": (lambda: xaes.encrypt(VALUE, PLACE), lambda: xaes.decrypt(by_xaes, PLACE)),
        "Fernet (no associated data)": (lambda: fernet.encrypt(VALUE), lambda: fernet.decrypt(token)),
        "SQLAlchemy-Utils, its AES-GCM engine alone": (lambda: engine.encrypt(text), lambda: engine.decrypt(by_engine)),
        "SQLAlchemy-Utils, as a column's type": (
            lambda: column.process_bind_param(text, None),
            lambda: column.process_result_value(by_column, None),
        ),
        "Amanah, a search token": (lambda: cipher.token(FIELD, VALUE), lambda: cipher.token(FIELD, VALUE)),
    }


def many(work: Callable[[], Any]) -> Callable[[], None]:
    """So many calls that the clock's own cost does not show."""

    def calls() -> None:
        for _ in range(NUMBER):
            work()

    return calls


def cells(rounds: int, clock: str) -> None:
    """Part 1."""
    made = pairs()
    for position, verb in enumerate(("seal", "open")):
        taken = seconds({name: many(pair[position]) for name, pair in made.items()}, rounds, clock)
        table(f"{verb} one value", taken, BARE, unit="µs", per=1e6 / NUMBER)
        for name in ("SQLAlchemy-Utils, as a column's type", "SQLAlchemy-Utils, its AES-GCM engine alone"):
            print(f"\n{name}: {ratio(taken, name, 'Amanah, hot'):.1f} times what Amanah takes to {verb} one")
    print(f"\nan envelope is {OVERHEAD} bytes longer than its value")


def rows(kind: str, number: int, variants: list[str], rounds: int, clock: str, *, profiled: bool) -> None:
    """Part 2."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        worlds = {}
        for variant in variants:
            folder = Path(name) / variant.replace(" ", "-")
            folder.mkdir()
            url = stack.enter_context(encryption_rows.database(kind, folder))
            worlds[variant] = encryption_rows.build(variant, url, folder, number)
            stack.callback(worlds[variant].close)
        subject = worlds.get("subject keys")
        if subject is not None:
            demand(found=encryption_rows.format_of(subject), expected=encryption_rows.SUBJECT_FORMAT)

        if profiled:
            for variant in variants:
                with worlds[variant].access():
                    profiler = cProfile.Profile()
                    profiler.runcall(worlds[variant].load)
                pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
            return

        def load(variant: str) -> Callable[[], None]:
            return lambda: demand(found=worlds[variant].load(), expected=number)

        def in_full(variant: str) -> Callable[[], None]:
            def work() -> None:
                with worlds[variant].access():
                    load(variant)()

            return work

        works = {variant: load(variant) for variant in variants}
        around = {variant: worlds[variant].access for variant in variants}
        full = {f"{name}, with its access and entries": in_full(name) for name in variants if worlds[name].guard}
        taken = seconds(works | full, rounds, clock, around)
        title = f"{kind}: load {number:,} rows of {len(encryption_rows.COLUMNS)} columns by the ORM"
        table(title, taken, variants[0], unit="ms", per=1e3)


def search(number: int, rounds: int, clock: str) -> None:
    """Part 3."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ways = encryption_search.contenders(stack, Path(folder), number)
        taken = seconds(ways, rounds, clock)
        for beside, names in encryption_search.COMPARED.items():
            chosen = {name: taken[name] for name in (beside, *names)}
            table(f"one of {number:,} rows", chosen, beside, unit="ms", per=1e3 / encryption_search.SEARCHES)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", default="cells,rows,search")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--rows", type=int, default=10_000, help="to load")
    parser.add_argument("--search-rows", type=int, default=1_000_000, help="to search among")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--variants", default=",".join(encryption_rows.VARIANTS), help="ratios are to the first")
    parser.add_argument("--profile", action="store_true", help="where loading rows spends its time instead")
    chosen = parser.parse_args()
    parts, variants = chosen.parts.split(","), chosen.variants.split(",")
    if "cells" in parts and not chosen.profile:
        cells(chosen.rounds, chosen.clock)
    if "rows" in parts:
        for kind in chosen.databases.split(","):
            rows(kind, chosen.rows, variants, chosen.rounds, chosen.clock, profiled=chosen.profile)
    if "search" in parts and not chosen.profile:
        search(chosen.search_rows, chosen.rounds, chosen.clock)


if __name__ == "__main__":
    main()
