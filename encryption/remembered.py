"""A small bounded memory that needs no lock."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A bounded mapping of two generations: what is used stays, what is not goes when the younger one is full.

    Holds at most ``2 * capacity`` values (a few more while threads race). Each step is one dictionary operation, which
    CPython makes atomic; a lost race forgets a value, it never returns a wrong one. Values must be recomputable.
    """

    __slots__ = ("_capacity", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        """``capacity``: values per generation."""
        self._capacity = capacity
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        """How many values are held, those that stand in both generations counted twice."""
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value of ``key``, or None."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember ``value``."""
        young = self._young
        if len(young) >= self._capacity:
            self._old = young
            self._young = young = {}
        young[key] = value
