"""A stream at a gate, driven command by command: opened and topped up by any scheme."""

import msgspec

from farthing import marks
from farthing.schemes.contract import Dialect
from farthing.vendor import metering
from farthing.vendor.commands import Answer, Request, Walk
from farthing.wire import published
from tests.kit.shop import PATH, Buyer, Payment, Shop

PRICE_MICRO = 100
STREAM = f"""accept = ["millicent", "payword", "tick"]
[millicent]
protocol = "private"
[payword]
unit_micro = {PRICE_MICRO}
[[route]]
path = "/articles/*"
price = "{PRICE_MICRO}u"
per = "1kB"
description = "The radio"
"""


class Early(Shop):
    """Has the broker pay before anything goes out; of the prices file no stream can ask so."""

    def walk(self, request: Request) -> Walk:
        for index, priced in enumerate(self.book.routes):
            if priced.meter is not None and priced.route.clearing is None:
                route = msgspec.structs.replace(priced.route, clearing="before")
                early = msgspec.structs.replace(priced, route=route)
                routes = list(self.book.routes)
                routes[index] = early
                self.book.routes = tuple(routes)
        return super().walk(request)


class Reader:
    """A payer with one stream, and a purse for each scheme."""

    def __init__(self, scheme: str, dialect: Dialect = "mpp", shop: Shop | None = None) -> None:
        self.shop, self.scheme, self.dialect = shop or Shop(STREAM), scheme, dialect
        self.buyers: dict[str, Buyer] = {}
        self.opening = self.pay(PATH, "GET")
        self.name = self.opening.k

    def pay(
        self, path: str, method: str, scheme: str = "", dialect: Dialect | None = None
    ) -> Payment:
        scheme = scheme or self.scheme
        buyer = self.buyers.setdefault(scheme, Buyer(self.shop, scheme))
        return buyer.pay(dialect or self.dialect, path=path, method=method)

    def open(self) -> Answer:
        return self.shop.get(self.opening.header)

    def top_up(self, ticks: int, scheme: str = "", dialect: Dialect | None = None) -> Payment:
        return self.pay(self.path(ticks), "POST", scheme, dialect)

    def send(self, payment: Payment, ticks: int) -> Answer:
        return self.shop.get(payment.header, path=self.path(ticks), method="POST")

    def path(self, ticks: int) -> str:
        return published.top_up_path(self.name, ticks)

    @property
    def paid_micro(self) -> int:
        key = metering.key_of(self.name)
        memory = self.shop.store.do_now(marks.Read(keys=marks.Keys(records=(key,))))
        return metering.paid_micro(memory, key)
