"""Numbers of documents: without a gap, because each is taken in the transaction that writes the document."""

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from iconix.models import NumberSeries


async def take_number(session: AsyncSession, tenant_id: str, series: str) -> int:
    """Take the next number of a series, the first one being 1.

    Whoever takes a number keeps the others of the series waiting until the commit: take it last.
    """
    step = (
        update(NumberSeries)
        .where(NumberSeries.tenant_id == tenant_id, NumberSeries.series == series)
        .values(next=NumberSeries.next + 1)
        .returning(NumberSeries.next)
        .execution_options(synchronize_session=False)
    )
    following = await session.scalar(step)
    if following is None:
        try:
            async with session.begin_nested():
                session.add(NumberSeries(tenant_id=tenant_id, series=series, next=2))
        except IntegrityError:  # somebody else began the series in this moment
            following = await session.scalar(step)
        else:
            return 1
    assert following is not None  # noqa: S101 - series are never deleted
    return following - 1
