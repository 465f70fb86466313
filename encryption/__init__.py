"""Bytes in, bytes out: sealing, the envelope, the hierarchy of keys, key providers, the blind index."""
