"""The example in docs/how-to/add-a-key-provider.md works, and its check holds for our own providers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amanah.encryption.file_provider import FileKeyProvider
from amanah.encryption.pkcs11_provider import Pkcs11Provider
from amanah.encryption.succeeding_provider import SucceedingProvider
from amanah.errors import KeysUnavailable, ProviderKeyMissing
from amanah.testing import MemoryKeys

ROOT = Path(__file__).parent.parent.parent.parent
PAGE = (ROOT / "docs" / "how-to" / "add-a-key-provider.md").read_text("utf-8")


def program(name):
    """What the page's program of that name defines."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (source,) = (block for block in blocks if block.startswith(f'"""{name}'))
    namespace: dict[str, object] = {}
    exec(compile(source, name, "exec"), namespace)
    return namespace


class Service:
    """The key service of the example."""

    def __init__(self):
        self.keys, self.now, self.away = {}, None, False

    def current(self):
        if self.away:
            raise TimeoutError
        return self.now

    def create(self, prefix, current):
        name = f"{prefix}-{len(self.keys)}"
        self.keys[name] = AESGCM(os.urandom(32))
        self.now = name if current else self.now
        return name

    def destroy(self, name):
        del self.keys[name]

    def encrypt(self, name, key, context):
        nonce = os.urandom(12)
        return nonce + self.keys[name].encrypt(nonce, key, context)

    def decrypt(self, name, wrapped, context):
        try:
            return self.keys[name].decrypt(wrapped[:12], wrapped[12:], context)
        except InvalidTag:
            raise ValueError from None


def test_the_example_keeps_the_contract():
    """It passes the page's own check, and says what is wrong where there is no key and where nobody answers."""
    service = Service()
    keys = program("ourkeys.py")["OurKeys"](service)
    with pytest.raises(ProviderKeyMissing):
        keys.key_id()
    program("test_ourkeys.py")["check"](keys)
    service.away = True
    with pytest.raises(KeysUnavailable):
        keys.key_id()


@pytest.mark.parametrize("name", ["file", "memory", "pkcs11", "succeeding"])
def test_our_own_providers_pass_the_same_check(name, request, tmp_path):
    """One contract for all. AWS KMS has tests of its own: moto goes on using a key that is to be deleted."""
    if name == "pkcs11":
        token = request.getfixturevalue("soft_token")
        keys = Pkcs11Provider(token.module, token.label, token.pin, label="page")
    elif name == "file":
        keys = FileKeyProvider.create(tmp_path / "keys.json")
    else:
        keys = MemoryKeys()
    program("test_ourkeys.py")["check"](SucceedingProvider(keys, MemoryKeys()) if name == "succeeding" else keys)


def test_the_check_is_not_empty():
    """A provider that does not authenticate the context fails it."""

    class Careless(MemoryKeys):
        def wrap(self, key, context, key_id):
            return super().wrap(key, b"", key_id)

        def unwrap(self, wrapped, context, key_id):
            return super().unwrap(wrapped, b"", key_id)

    with pytest.raises(pytest.fail.Exception, match="Tampered"):
        program("test_ourkeys.py")["check"](Careless())
