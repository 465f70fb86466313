"""Keeps what this provider says to KMS, and hears from it, out of boto3's log.

At level DEBUG botocore logs each request with its body and each answer: for Encrypt and Decrypt these hold the key.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS: Final = (
    "boto3",
    "boto3.resources",
    "botocore",
    "botocore.auth",
    "botocore.awsrequest",
    "botocore.client",
    "botocore.endpoint",
    "botocore.handlers",
    "botocore.hooks",
    "botocore.httpsession",
    "botocore.parsers",
    "botocore.regions",
    "botocore.retries.standard",
    "botocore.retryhandler",
    "botocore.serialize",
    "botocore.utils",
    "urllib3.connectionpool",
)
_ours: ContextVar[bool] = ContextVar("amanah_kms_call", default=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """In this block, in this thread, boto3 logs warnings and errors only."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def _passes(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not _ours.get()


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_passes)
