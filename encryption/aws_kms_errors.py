"""What boto3 raises, in our words: away, refused, wrong key, changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    AmanahError,
    KeyServiceRefused,
    KeysUnavailable,
    ProviderKeyUnusable,
    ProviderKeyWrong,
    Tampered,
)
from ..i18n import N_

if TYPE_CHECKING:
    from typing import NoReturn

_CHANGED: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
"""Changed, of another context, or wrapped under another key than the one that its row names."""
_UNUSABLE: Final = {
    "DisabledException": N_("it is disabled"),
    "KMSInvalidStateException": N_("it is disabled or waits for its deletion"),
    "InvalidKeyUsageException": N_("it is no symmetric key for encryption"),
}
_REFUSED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_WITHOUT_CREDENTIALS: Final = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}
)


def raised(error: Exception, *, key_id: str, current: str) -> NoReturn:
    """Raise ours for ``error``. What is not known here is `KeysUnavailable`: nothing is opened without a key."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    name = type(error).__name__
    ours: AmanahError
    if code in _CHANGED:
        ours = Tampered()
    elif code == "NotFoundException":
        ours = ProviderKeyWrong(key_id=key_id, current=current)
    elif code in _UNUSABLE:
        ours = ProviderKeyUnusable(key_id=key_id, current=current, detail=_UNUSABLE[code])
    elif code in _REFUSED or name in _WITHOUT_CREDENTIALS:
        ours = KeyServiceRefused(detail=code or name)
    else:
        ours = KeysUnavailable()
    if name == "ParamValidationError":  # it quotes the parameters
        raise ours from None
    raise ours from error
