from starlette.requests import HTTPConnection

from amanah import Actor, Guard, Identity, Personal, declare, route
from quickstart.app import Base, app, engine, who


def identify(connection: HTTPConnection) -> Identity | None:
    """Ask the application's own login."""
    found = who(connection)
    return Identity(tenant=found[0], actor=Actor(found[1])) if found else None


guard = Guard.development(
    metadata=Base.metadata,
    engine=engine,
    identify=identify,
    routes=[route("GET /customers/{id:int}", "customer", "read", ["billing", "support"])],
    declarations=[
        declare(
            "customer",
            subject="id",
            columns={
                "name": Personal(category="user.name"),
                "phone": Personal(category="user.contact.phone_number", search="exact", normalise="phone"),
            },
        )
    ],
)
protected = guard.wrap(app)
