"""The data of a trading company: what it sells, to whom, and what was delivered for cash."""

import datetime as dt
from collections import defaultdict

from sqlalchemy.ext.asyncio import AsyncSession

from iconix import shipping
from iconix.models import (
    CodAssignment,
    CodOrder,
    CodOrderLine,
    Courier,
    CreditNote,
    Customer,
    Invoice,
    InvoiceLine,
    Payment,
    Product,
    Purchase,
    PurchaseLine,
    Settlement,
    Store,
    Supplier,
)
from iconix.money import ppn

from .accounts import NAMES, account_id
from .people import bank_account, email, npwp, person, phone
from .source import Source, write

# SKU, name, unit, price in rupiah
GROCERIES = (
    ("BRS-PW-05", "Beras Pandan Wangi 5 kg", "sak", 82_500),
    ("BRS-RL-25", "Beras Rojolele 25 kg", "sak", 372_000),
    ("MYK-SW-02", "Minyak goreng sawit 2 L", "btl", 37_900),
    ("MYK-SW-18", "Minyak goreng sawit 18 L", "jrg", 331_000),
    ("GUL-PS-01", "Gula pasir 1 kg", "bks", 17_800),
    ("GUL-MR-01", "Gula merah aren 1 kg", "bks", 29_500),
    ("TPG-SR-01", "Tepung terigu serbaguna 1 kg", "bks", 12_400),
    ("TPG-KT-05", "Tepung ketan 500 g", "bks", 13_200),
    ("KCP-MN-06", "Kecap manis 600 ml", "btl", 24_600),
    ("SMB-TR-03", "Sambal terasi 335 ml", "btl", 19_300),
    ("KOP-LS-02", "Kopi bubuk Lampung 200 g", "bks", 27_500),
    ("KOP-GY-01", "Kopi Gayo biji sangrai 1 kg", "bks", 168_000),
    ("TEH-CL-25", "Teh celup melati isi 25", "dus", 8_900),
    ("SSU-UH-01", "Susu UHT plain 1 L", "ktk", 19_800),
    ("SSU-KM-04", "Susu kental manis 370 g", "klg", 12_700),
    ("MIE-GR-40", "Mi instan goreng isi 40", "dus", 118_500),
    ("MIE-KA-40", "Mi instan kari ayam isi 40", "dus", 116_000),
    ("AIR-MN-06", "Air mineral 600 ml isi 24", "dus", 52_000),
    ("AIR-GL-19", "Air mineral galon 19 L", "gln", 21_500),
    ("TLR-AY-01", "Telur ayam negeri 1 kg", "kg", 29_800),
    ("KRP-UD-05", "Kerupuk udang Sidoarjo 500 g", "bks", 34_200),
    ("PTS-IK-02", "Petis ikan 250 g", "bks", 18_400),
    ("GRM-BY-05", "Garam beryodium 500 g", "bks", 5_600),
    ("SBN-MD-04", "Sabun mandi isi 4", "pak", 16_900),
    ("DTG-BK-08", "Deterjen bubuk 800 g", "bks", 23_700),
    ("SBN-CP-07", "Sabun cuci piring 700 ml", "pch", 14_800),
    ("PPG-GG-01", "Pasta gigi 190 g", "pcs", 15_900),
    ("SMP-HT-01", "Sampo 170 ml", "btl", 24_900),
    ("TIS-WJ-02", "Tisu wajah isi 250", "pak", 13_500),
    ("BSC-KL-12", "Biskuit kelapa 300 g isi 12", "dus", 132_000),
    ("SRD-SM-04", "Sarden saus tomat 425 g", "klg", 25_300),
    ("KCG-TN-01", "Kacang tanah kupas 1 kg", "bks", 33_600),
    ("KCG-HJ-01", "Kacang hijau 1 kg", "bks", 26_800),
    ("SNT-KL-06", "Santan kelapa 65 ml isi 36", "dus", 129_000),
    ("LPG-HJ-03", "Isi ulang gas 3 kg", "tbg", 20_000),
    ("LPG-BR-12", "Isi ulang gas 12 kg", "tbg", 213_000),
)
STATIONERY = (
    ("BKU-TL-38", "Buku tulis 38 lembar isi 10", "pak", 36_500),
    ("PLP-HT-12", "Pulpen hitam isi 12", "dus", 27_000),
    ("PSL-2B-12", "Pensil 2B isi 12", "dus", 41_500),
    ("KRT-A4-70", "Kertas A4 70 g", "rim", 47_800),
    ("KRT-F4-70", "Kertas F4 70 g", "rim", 53_900),
    ("MAP-PL-12", "Map plastik isi 12", "pak", 31_200),
    ("SPD-WB-12", "Spidol papan tulis isi 12", "dus", 86_000),
    ("LEM-KR-01", "Lem kertas 35 ml", "pcs", 4_500),
    ("GNT-SD-01", "Gunting sedang", "pcs", 16_800),
    ("PGR-30-01", "Penggaris 30 cm", "pcs", 5_200),
)
SUPPLIERS = (
    ("PT Pangan Makmur Sentosa", "Sidoarjo"),
    ("CV Tani Subur", "Banyuwangi"),
    ("UD Rejeki Laut", "Gresik"),
    ("PT Distribusi Nusa Prima", "Surabaya"),
    ("CV Gula Kediri", "Kediri"),
    ("PT Kopi Tanah Gayo", "Medan"),
)
STORES = (
    ("TGL", "Gudang Tunjungan", "Jl. Tunjungan No. 41", -7.2607, 112.7386),
    ("RKT", "Toko Rungkut", "Jl. Raya Rungkut No. 128", -7.3227, 112.7702),
    ("BNW", "Toko Benowo", "Jl. Raya Benowo No. 7", -7.2389, 112.6412),
)
REASONS = ("Barang rusak", "Salah kirim", "Jumlah kurang", "Kemasan bocor")
SHOPS = ("Toko", "Warung", "UD", "CV", "Depot")
PAYMENT_METHODS = ("transfer", "transfer", "cash", "qris")


async def seed_trading(
    session: AsyncSession,
    source: Source,
    *,
    city: str,
    catalogue: tuple[tuple[str, str, str, int], ...],
    customers: int,
    invoices: int,
    demo: dict[str, str | None],
) -> list[Product]:
    """Write products, customers and a year of invoices; `demo` are the values of a customer that is the same always."""
    start = source.moment(source.until - dt.timedelta(days=366))
    products = [
        Product(
            tenant_id=source.tenant,
            id=source.key(start),
            sku=sku,
            name=name,
            unit=unit,
            price=price,
            cost=price * source.random.randint(78, 88) // 100,
        )
        for sku, name, unit, price in catalogue
    ]
    people = [_customer(source, city) for _ in range(max(0, customers - 1))]
    people.append(Customer(**(_values(source, city) | demo)))
    ids = [one.id for one in people]
    session.add_all(products)
    await session.flush()
    await write(session, people)
    rows = [
        _invoice(source, source.random.choice(ids) if place % 60 else ids[-1], products, day)
        for place, day in enumerate(source.days(invoices))
    ]
    followers = [follower for invoice in rows for follower in _after(source, invoice)]
    await write(session, rows)
    await write(session, followers)
    return products


def _values(source: Source, city: str) -> dict[str, object]:
    who = person(source, source.random.choice((city, city, city, "Sidoarjo", "Gresik")))
    joined = source.moment(source.until - dt.timedelta(days=366 + source.random.randrange(400)))
    shop = source.random.random() < 0.4  # noqa: PLR2004 - two in five are shops
    return {
        "tenant_id": source.tenant,
        "id": source.key(joined),
        "name": f"{source.random.choice(SHOPS)} {who.name.split()[-1]} Jaya" if shop else who.name,
        "phone": who.phone,
        "email": email(source, who.name) if source.random.random() < 0.7 else None,  # noqa: PLR2004
        "nik": None if shop else who.nik,
        "tax_id": npwp(source) if shop else None,
        "address": who.address,
        "city": who.city,
        "bank_account": bank_account(source) if shop else None,
        "created_at": joined,
    }


def _customer(source: Source, city: str) -> Customer:
    return Customer(**_values(source, city))


def _invoice(source: Source, customer_id: str, products: list[Product], day: dt.date) -> Invoice:
    moment = source.moment(day)
    lines = [
        InvoiceLine(
            tenant_id=source.tenant,
            id=source.key(moment),
            product_id=product.id,
            position=position,
            description=product.name,
            quantity=(quantity := source.random.choice((1, 2, 2, 3, 5, 6, 10, 12, 24))),
            unit_price=product.price,
            net=quantity * product.price,
        )
        for position, product in enumerate(source.random.sample(products, source.random.randint(1, 5)), 1)
    ]
    net = sum(line.net for line in lines)
    return Invoice(
        tenant_id=source.tenant,
        id=source.key(moment),
        customer_id=customer_id,
        number=f"INV/{day:%Y/%m}/{source.number(f'invoice:{day:%Y}'):05}",
        date=day,
        due=day + dt.timedelta(days=14),
        net=net,
        tax=ppn(net),
        total=net + ppn(net),
        paid=0,
        credited=0,
        status="open",
        created_at=moment,
        lines=lines,
    )


def _after(source: Source, invoice: Invoice) -> list[Payment | CreditNote]:
    """Credit some invoices in part, and pay those that are old enough, most of them."""
    rows: list[Payment | CreditNote] = []
    if source.random.random() < 0.05:  # noqa: PLR2004 - one in twenty
        day = min(invoice.date + dt.timedelta(days=source.random.randint(1, 6)), source.until)
        invoice.credited = invoice.total * source.random.randint(5, 30) // 100
        rows.append(
            CreditNote(
                tenant_id=source.tenant,
                id=source.key(source.moment(day)),
                invoice_id=invoice.id,
                number=f"CN/{day:%Y/%m}/{source.number(f'credit_note:{day:%Y}'):05}",
                date=day,
                amount=invoice.credited,
                reason=source.random.choice(REASONS),
                created_at=source.moment(day),
            )
        )
    day = invoice.date + dt.timedelta(days=source.random.randint(0, 25))
    if day <= source.until and source.random.random() < 0.93:  # noqa: PLR2004 - the rest is late
        open_amount = invoice.total - invoice.credited
        amounts = [open_amount]
        if source.random.random() < 0.15:  # noqa: PLR2004 - in two parts
            amounts = [open_amount // 2, open_amount - open_amount // 2]
        for amount in amounts:
            moment = source.moment(day)
            rows.append(
                Payment(
                    tenant_id=source.tenant,
                    id=source.key(moment),
                    invoice_id=invoice.id,
                    date=day,
                    method=source.random.choice(PAYMENT_METHODS),
                    amount=amount,
                    created_at=moment,
                )
            )
        invoice.paid, invoice.status = open_amount, "paid"
    return rows


async def seed_purchases(session: AsyncSession, source: Source, products: list[Product], count: int) -> None:
    """Write suppliers and what was bought from them."""
    suppliers = [
        Supplier(
            tenant_id=source.tenant,
            id=source.key(source.moment(source.until - dt.timedelta(days=366))),
            code=f"S{place:03}",
            name=name,
            city=city,
            bank_account=bank_account(source),
        )
        for place, (name, city) in enumerate(SUPPLIERS, 1)
    ]
    ids = [supplier.id for supplier in suppliers]
    await write(session, suppliers)
    await write(session, [_purchase(source, source.random.choice(ids), products, day) for day in source.days(count)])


def _purchase(source: Source, supplier_id: str, products: list[Product], day: dt.date) -> Purchase:
    moment = source.moment(day)
    lines = [
        PurchaseLine(
            tenant_id=source.tenant,
            id=source.key(moment),
            product_id=product.id,
            position=position,
            description=product.name,
            quantity=(quantity := source.random.choice((20, 25, 40, 50, 100))),
            unit_cost=product.cost,
            net=quantity * product.cost,
        )
        for position, product in enumerate(source.random.sample(products, source.random.randint(2, 4)), 1)
    ]
    net = sum(line.net for line in lines)
    return Purchase(
        tenant_id=source.tenant,
        id=source.key(moment),
        supplier_id=supplier_id,
        number=f"PUR/{day:%Y/%m}/{source.number(f'purchase:{day:%Y}'):05}",
        supplier_number=f"{source.random.randint(100, 9999)}/{day:%m%y}",
        date=day,
        due=day + dt.timedelta(days=30),
        net=net,
        tax=ppn(net),
        total=net + ppn(net),
        created_at=moment,
        lines=lines,
    )


async def seed_orders(session: AsyncSession, source: Source, products: list[Product], count: int) -> None:
    """Write stores, couriers, and ninety days of orders: all settled but those of the last three days."""
    start = source.moment(source.until - dt.timedelta(days=366))
    stores = [
        Store(
            tenant_id=source.tenant,
            id=source.key(start),
            code=code,
            name=name,
            address=address,
            city="Surabaya",
            latitude=latitude,
            longitude=longitude,
            base_fee=6000,
            fee_per_km=2500,
            reach_km=20,
        )
        for code, name, address, latitude, longitude in STORES
    ]
    riders = ("kurir@sinar-jaya.example", "kurir2@sinar-jaya.example")
    couriers = [
        Courier(
            tenant_id=source.tenant,
            id=source.key(start),
            code=f"K{place:02}",
            name=NAMES[rider],
            phone=phone(source),
            account_id=account_id(rider),
        )
        for place, rider in enumerate(riders, 1)
    ]
    courier_ids = [courier.id for courier in couriers]
    orders = [_order(source, stores, courier_ids, products, day) for day in source.days(count, 90)]
    assignments = [
        CodAssignment(
            tenant_id=source.tenant,
            id=source.key(order.placed_at),
            order_id=order.id,
            courier_id=order.courier_id,
            assigned_at=order.placed_at + dt.timedelta(minutes=10),
        )
        for order in orders
        if order.courier_id
    ]
    settlements = _settle(source, orders)
    await write(session, stores)
    await write(session, couriers)
    await write(session, settlements)
    await write(session, orders)
    await write(session, assignments)


def _order(
    source: Source, stores: list[Store], courier_ids: list[str], products: list[Product], day: dt.date
) -> CodOrder:
    who = person(source, "Surabaya")
    home = source.random.choice(stores)
    latitude = round(home.latitude + source.random.gauss(0, 0.022), 6)
    longitude = round(home.longitude + source.random.gauss(0, 0.022), 6)
    store, km = shipping.nearest(stores, latitude, longitude)
    moment = source.moment(day)
    lines = [
        CodOrderLine(
            tenant_id=source.tenant,
            id=source.key(moment),
            product_id=product.id,
            position=position,
            description=product.name,
            quantity=(quantity := source.random.randint(1, 4)),
            unit_price=product.price,
            total=quantity * product.price,
        )
        for position, product in enumerate(source.random.sample(products, source.random.randint(1, 3)), 1)
    ]
    goods, fee = sum(line.total for line in lines), shipping.fee(store, km)
    age = (source.until - day).days
    status = source.random.choice(("placed", "assigned", "delivered", "paid")) if age < 3 else "settled"  # noqa: PLR2004
    return CodOrder(
        tenant_id=source.tenant,
        id=source.key(moment),
        number=f"COD/{day:%Y}/{source.number(f'order:{day:%Y}'):05}",
        store_id=store.id,
        courier_id=None if status == "placed" else source.random.choice(courier_ids),
        status=status,
        customer_name=who.name,
        phone=who.phone,
        address=who.address,
        latitude=latitude,
        longitude=longitude,
        goods_total=goods,
        fee=fee,
        cash_due=goods + fee,
        cash_collected=goods + fee if status in ("paid", "settled") else None,
        placed_at=moment,
        delivered_on=None if status in ("placed", "assigned") else day,
        lines=lines,
    )


def _settle(source: Source, orders: list[CodOrder]) -> list[Settlement]:
    """Make one settlement for each courier and day with settled orders."""
    by_day: dict[tuple[dt.date, str], list[CodOrder]] = defaultdict(list)
    for order in orders:
        if order.status == "settled" and order.courier_id and order.delivered_on:
            by_day[order.delivered_on, order.courier_id].append(order)
    settlements = []
    for (day, courier_id), done in by_day.items():
        moment = source.moment(day, 18, 20)
        expected = sum(order.cash_collected or 0 for order in done)
        settlement = Settlement(
            tenant_id=source.tenant,
            id=source.key(moment),
            courier_id=courier_id,
            date=day,
            orders=len(done),
            expected=expected,
            received=expected,
            created_at=moment,
        )
        for order in done:
            order.settlement_id = settlement.id
        settlements.append(settlement)
    return settlements
