"""What sealing and opening one cell costs beside bare AES-256-GCM of the same library, in one process, in turn.

    python benchmarks/encryption.py

Prints ratios (the machine's speed cancels out) and the microseconds they come from. *Hot* is the usual case: the
derived key is remembered. *Cold* derives it, as for a value of another process that is met for the first time.
"""

from __future__ import annotations

import os
import timeit
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amanah.encryption.cipher import TenantCipher, TenantKeys
from amanah.encryption.envelope import OVERHEAD
from amanah.encryption.netstrings import netstring
from amanah.encryption.sealing import Sealing

if TYPE_CHECKING:
    from collections.abc import Callable

FIELD = "customer.phone"
VALUE = b"+6281234567890"
NUMBER = 20_000
ROUNDS = 7


def microseconds(work: Callable[[], object], number: int = NUMBER) -> float:
    """The best of several rounds, per call."""
    return min(timeit.repeat(work, number=number, repeat=ROUNDS)) / number * 1e6


def main() -> None:
    """Measure and print."""
    place = netstring(FIELD, "0198c1de-7a11-7cc0-b52e-6d2f8a4e10aa")
    bare, nonce = AESGCM(os.urandom(32)), os.urandom(12)
    sealed_bare = bare.encrypt(nonce, VALUE, place)
    cipher = TenantCipher("surabaya-trading", TenantKeys({1: os.urandom(32)}, 1, {1: os.urandom(32)}, 1))
    sealed = cipher.seal(FIELD, place, VALUE)
    cold = Sealing(os.urandom(32), netstring(FIELD))
    sealed_cold = cold.seal(1, VALUE, place)

    encrypt = microseconds(lambda: bare.encrypt(os.urandom(12), VALUE, place))
    decrypt = microseconds(lambda: bare.decrypt(nonce, sealed_bare, place))
    rows = [
        ("bare AES-GCM encrypt, fresh nonce", encrypt, encrypt),
        ("seal, hot", microseconds(lambda: cipher.seal(FIELD, place, VALUE)), encrypt),
        ("seal, a nonce of its own", microseconds(lambda: cold.seal(1, VALUE, place), NUMBER // 10), encrypt),
        ("bare AES-GCM decrypt", decrypt, decrypt),
        ("open, hot", microseconds(lambda: cipher.open(FIELD, place, sealed)), decrypt),
        ("open, cold", microseconds(lambda: cold.open(sealed_cold, place), NUMBER // 10), decrypt),
        ("search token", microseconds(lambda: cipher.token(FIELD, VALUE)), decrypt),
    ]
    for name, cost, beside in rows:
        print(f"{name:36}{cost:8.2f} us{cost / beside:8.2f} x")
    print(f"\nan envelope is {OVERHEAD} bytes longer than its value")


if __name__ == "__main__":
    main()
