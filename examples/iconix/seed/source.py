"""Where invented values come from: the same ones for the same seed, company by company."""

import datetime as dt
from collections.abc import Iterable
from random import Random

from faker import Faker
from sqlalchemy.ext.asyncio import AsyncSession

from iconix.ids import uuid7
from iconix.models import Base, NumberSeries
from iconix.web import WESTERN_INDONESIA

BATCH = 200


class Source:
    """Invented values of one company, and the numbers that its documents have reached."""

    def __init__(self, tenant: str, seed: int, until: dt.date) -> None:
        """Derive everything from the seed and the company's id; `until` is the last day of the data."""
        self.tenant = tenant
        self.until = until
        self.random = Random(f"{seed}:{tenant}")
        self.fake = Faker("id_ID")
        self.fake.seed_instance(self.random.randrange(2**32))
        self.series: dict[str, int] = {}

    def moment(self, day: dt.date, low: int = 8, high: int = 17) -> dt.datetime:
        """Return a moment of a day, within business hours of Western Indonesia."""
        time = dt.time(self.random.randint(low, high - 1), self.random.randrange(60), self.random.randrange(60))
        return dt.datetime.combine(day, time, WESTERN_INDONESIA)

    def key(self, moment: dt.datetime) -> str:
        """Return an id that sorts by the moment."""
        return str(uuid7(int(moment.timestamp() * 1000), self.random.randbytes(10)))

    def day(self, days: int = 365) -> dt.date:
        """Return one of the last days."""
        return self.until - dt.timedelta(days=self.random.randrange(days))

    def days(self, count: int, days: int = 365) -> list[dt.date]:
        """Return so many of the last days, in order."""
        return sorted(self.day(days) for _ in range(count))

    def number(self, series: str) -> int:
        """Count a series on."""
        self.series[series] = self.series.get(series, 0) + 1
        return self.series[series]

    def number_series(self) -> list[NumberSeries]:
        """Return the rows that let the app go on counting."""
        return [
            NumberSeries(tenant_id=self.tenant, series=series, next=last + 1) for series, last in self.series.items()
        ]


async def write(session: AsyncSession, rows: Iterable[Base]) -> None:
    """Hand rows to the session, some at a time, and forget them again."""
    batch = list(rows)
    for start in range(0, len(batch), BATCH):
        session.add_all(batch[start : start + BATCH])
        await session.flush()
    session.expunge_all()
