"""Invented people: names, identity numbers, phone numbers and addresses as they look in Indonesia."""

import datetime as dt
import unicodedata
from dataclasses import dataclass

from .source import Source

# Rows that examples and instructions can name.
DEMO_CUSTOMER_ID = "019a2c4e-7d00-7a10-8b54-5a1f3c9e7b21"
DEMO_CUSTOMER_PHONE = "+6281234567890"
DEMO_PATIENT_ID = "019a2c4e-7d00-7b22-9c41-2d8e6f0a4c53"
FOREIGN_CUSTOMER_ID = "019a2c4e-7d00-7c33-8d62-7e9b1a5f3d84"

# The first six digits of a NIK: province, city, district.
DISTRICTS = {
    "Surabaya": ("357801", "357803", "357808", "357814", "357821", "357826"),
    "Bandung": ("327301", "327305", "327309", "327314", "327320", "327328"),
    "Semarang": ("337401", "337404", "337410", "337414"),
    "Sidoarjo": ("351508", "351513"),
    "Gresik": ("352514", "352516"),
    "Cimahi": ("327701", "327703"),
}
PREFIXES = ("811", "812", "813", "821", "822", "851", "852", "853", "856", "857", "878", "895", "896")
BANKS = ("BCA", "BRI", "BNI", "Mandiri", "BSI")


@dataclass(frozen=True, slots=True)
class Person:
    """An invented person."""

    name: str
    gender: str
    birth_date: dt.date
    city: str
    address: str
    phone: str
    nik: str


def nik(source: Source, city: str, birth_date: dt.date, gender: str) -> str:
    """Return an identity number: district, birth date (women: day + 40), and a number that is given once."""
    day = birth_date.day + (40 if gender == "female" else 0)
    head = f"{source.random.choice(DISTRICTS[city])}{day:02}{birth_date:%m%y}"
    return f"{head}{source.number(f'nik:{head}'):04}"


def phone(source: Source) -> str:
    """Return a mobile number, +628…."""
    return f"+62{source.random.choice(PREFIXES)}{source.random.randrange(10**7, 10**8)}"


def person(source: Source, city: str, youngest: int = 18, oldest: int = 75) -> Person:
    """Invent somebody who lives in a city and is so old, in years."""
    gender = source.random.choice(("female", "male"))
    first = source.fake.first_name_female() if gender == "female" else source.fake.first_name_male()
    age = dt.timedelta(days=source.random.randint(youngest * 366, oldest * 365))
    born = source.until - age
    street, house = source.fake.street_name(), source.random.randint(1, 180)
    block = f"RT {source.random.randint(1, 9):02}/RW {source.random.randint(1, 12):02}"
    return Person(
        name=f"{first} {source.fake.last_name()}",
        gender=gender,
        birth_date=born,
        city=city,
        address=f"{street} No. {house}, {block}, {city}",
        phone=phone(source),
        nik=nik(source, city, born, gender),
    )


def email(source: Source, name: str) -> str:
    """Return an address made of a name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return f"{'.'.join(plain.split())}{source.random.randint(1, 99)}@example.co.id"


def npwp(source: Source) -> str:
    """Return a company's tax number: 16 digits that begin with 0."""
    return f"0{source.random.randrange(10**14, 10**15)}"


def bank_account(source: Source) -> str:
    """Return bank and account number."""
    return f"{source.random.choice(BANKS)} {source.random.randrange(10**9, 10**10)}"
