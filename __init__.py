"""Amanah: something entrusted to you.

Data-protection middleware for multi-tenant business applications. Wrap the app, declare which columns are personal, and
role- and purpose-based access, sealed columns, walls between tenants and a trail that proves itself come with it. This
module lists every public name and nothing else.
"""

from .adoption.autogenerate import compare_walls, include_object, render_item
from .encryption.coordinates import Coordinate, Point
from .errors import AmanahError
from .guard import Guard
from .middleware.access import Access, Actor
from .middleware.access import current as current_access
from .middleware.callbacks import callback
from .middleware.declare import declare, shared
from .middleware.erased import is_erased
from .middleware.guessed import guessed
from .middleware.holds import Hold
from .middleware.identify import BearerToken, Identity
from .middleware.personal import Personal
from .middleware.role_map import RoleMap
from .middleware.routes import public, route, sign_in
from .middleware.row_filters import AccessValues, RowFilter
from .middleware.session_cookie import SessionCookie
from .settings import Settings

__all__ = [
    "Access",
    "AccessValues",
    "Actor",
    "AmanahError",
    "BearerToken",
    "Coordinate",
    "Guard",
    "Hold",
    "Identity",
    "Personal",
    "Point",
    "RoleMap",
    "RowFilter",
    "SessionCookie",
    "Settings",
    "callback",
    "compare_walls",
    "current_access",
    "declare",
    "guessed",
    "include_object",
    "is_erased",
    "public",
    "render_item",
    "route",
    "shared",
    "sign_in",
]
