"""From the distance to the store to the shipping fee."""

import math
from collections.abc import Sequence

from iconix.models import Store

EARTH_RADIUS = 6371.0  # km, mean


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the great-circle distance in km of two places given in degrees (haversine formula)."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(min(1.0, math.sqrt(half)))


def nearest(stores: Sequence[Store], latitude: float, longitude: float) -> tuple[Store, float]:
    """Return the store that is nearest to a place, and how far it is in km."""
    distances = [(distance(one.latitude, one.longitude, latitude, longitude), one.code, one) for one in stores]
    far, _, store = min(distances, key=lambda each: each[:2])
    return store, far


def fee(store: Store, km: float) -> int:
    """Return the fee in rupiah: a base, and so much for every kilometre begun."""
    return store.base_fee + store.fee_per_km * math.ceil(km)
