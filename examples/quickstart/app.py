"""An application that knows nothing of Amanah: one table, one route, a login of its own."""

from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

engine = create_engine("sqlite:///quickstart.db")

# Token → shop and person. Yours are in a table, or signed.
TOKENS = {
    "token-of-hendra": ("toko-maju", "hendra"),
    "token-of-rina": ("toko-maju", "rina"),
    "token-of-sari": ("toko-maju", "sari"),
}


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str] = mapped_column(String(20))


def who(connection: HTTPConnection) -> tuple[str, str] | None:
    """Return the shop and the person whose token came along."""
    return TOKENS.get(connection.headers.get("authorization", "").removeprefix("Bearer "))


def show(request: Request) -> JSONResponse:
    """GET /customers/{id}."""
    found = who(request)
    if found is None:
        return JSONResponse({"error": "Sign in first."}, 401)
    with Session(engine) as session:
        customer = session.get(Customer, (found[0], request.path_params["id"]))
    if customer is None:
        return JSONResponse({"error": "There is no such customer."}, 404)
    return JSONResponse({"id": customer.id, "name": customer.name, "phone": customer.phone})


app = Starlette(routes=[Route("/customers/{id:int}", show)])
