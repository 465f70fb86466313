"""Message catalogues: English and Indonesian, read with Babel straight from the ``.po`` files."""


def N_(message: str) -> str:
    """Mark ``message`` for translation; it is translated where it is shown."""
    return message
