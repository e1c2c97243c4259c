"""What a broker's books ought to say, in plain dictionaries: no code of the broker's in it."""

from dataclasses import dataclass, field

LIFE_S, RETRY_S, RESERVED_S = 1_000, 120, 60
RATE_E4 = {"v7": 333, "v8": 0}


class RefusedError(Exception):
    """The books would not do this."""


@dataclass
class Coupon:
    micro: int
    due_s: int
    expires_s: int
    state: str = "live"


@dataclass
class Reservation:
    coupon: str
    vendor: str
    until_s: int
    at_end: str


@dataclass
class Model:
    """Balances as people read them, in micro-units."""

    now_s: int
    own: dict[str, int] = field(default_factory=dict)
    debt: dict[str, int] = field(default_factory=dict)
    limit: dict[str, int] = field(default_factory=dict)
    earned: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RATE_E4, 0))
    moved: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RATE_E4, 0))
    """What came to or left a vendor in other ways than by selling."""
    coupons: dict[str, Coupon] = field(default_factory=dict)
    tabs: dict[tuple[str, str], int] = field(default_factory=dict)
    reserved: dict[str, Reservation] = field(default_factory=dict)
    transit: dict[str, tuple[str, int]] = field(default_factory=dict)
    bank: int = 0
    breakage: int = 0
    spent: int = 0
    """Marks that were set."""

    def commission(self) -> int:
        return sum(micro * RATE_E4[name] // 10_000 for name, micro in self.earned.items())

    def vendor(self, name: str) -> int:
        return self.earned[name] - self.earned[name] * RATE_E4[name] // 10_000 + self.moved[name]

    def balances(self) -> dict[str, int]:
        """All accounts that are not at zero, as people read them."""
        held = sum(self.coupons[one.coupon].micro for one in self.reserved.values())
        live = sum(one.micro for one in self.coupons.values() if one.state == "live")
        found = {
            "asset/bank/manual": self.bank,
            "asset/clearing/manual": -sum(micro for _, micro in self.transit.values()),
            "liability/hold": held,
            "liability/outstanding/coupon": live,
            "income/breakage": self.breakage,
            "income/commission": self.commission(),
        }
        found |= {f"liability/payer/{name}": micro for name, micro in self.own.items()}
        found |= {f"asset/credit/{name}": micro for name, micro in self.debt.items()}
        found |= {f"liability/vendor/{name}": self.vendor(name) for name in RATE_E4}
        return {name: micro for name, micro in found.items() if micro}

    def open(self, payer: str) -> None:
        self.own[payer] = self.debt[payer] = self.limit[payer] = 0

    def receive(self, payer: str, micro: int) -> None:
        repaid = min(micro, self.debt[payer])
        self.debt[payer] -= repaid
        self.own[payer] += micro - repaid

    def top_up(self, payer: str, micro: int) -> None:
        self.bank += micro
        self.receive(payer, micro)

    def pay(self, payer: str, micro: int) -> None:
        if self.own[payer] < micro:
            raise RefusedError
        self.own[payer] -= micro

    def draw(self, payer: str, micro: int) -> None:
        borrowed = max(0, micro - self.own[payer])
        if borrowed and self.debt[payer] + borrowed > self.limit[payer]:
            raise RefusedError
        self.own[payer] -= micro - borrowed
        self.debt[payer] += borrowed

    def transfer(self, payer: str, to: str, micro: int) -> None:
        self.pay(payer, micro)
        if to in self.moved:
            self.moved[to] += micro
        else:
            self.own[to] += micro

    def issue(self, payer: str, micro: int) -> None:
        self.pay(payer, micro)

    def live(self, name: str) -> Coupon:
        coupon = self.coupons[name]
        if coupon.state != "live" or self.now_s > coupon.expires_s:
            raise RefusedError
        return coupon

    def redeem(self, name: str, vendor: str) -> None:
        coupon = self.live(name)
        coupon.state = "spent"
        self.earned[vendor] += coupon.micro
        self.spent += 1

    def take_back(self, name: str, payer: str) -> None:
        coupon = self.live(name)
        coupon.state = "spent"
        self.own[payer] += coupon.micro
        self.spent += 1

    def tab(self, payer: str, vendor: str, index: int) -> None:
        steps = index - self.tabs.get((payer, vendor), 0)
        if steps <= 0:
            raise RefusedError
        self.draw(payer, steps)
        self.tabs[payer, vendor] = index
        self.earned[vendor] += steps

    def reserve(self, name: str, vendor: str, tx: str, at_end: str) -> None:
        self.live(name).state = "reserved"
        self.reserved[tx] = Reservation(name, vendor, self.now_s + RESERVED_S, at_end)

    def capture(self, tx: str) -> None:
        ended = self.reserved.pop(tx)
        self.coupons[ended.coupon].state = "spent"
        self.earned[ended.vendor] += self.coupons[ended.coupon].micro
        self.spent += 1

    def void(self, tx: str) -> None:
        self.coupons[self.reserved.pop(tx).coupon].state = "live"

    def end_overdue(self) -> None:
        for tx, one in list(self.reserved.items()):
            if one.until_s <= self.now_s:
                self.void(tx) if one.at_end == "void" else self.capture(tx)

    def tick(self) -> None:
        self.end_overdue()
        for coupon in self.coupons.values():
            if coupon.due_s > self.now_s or coupon.state not in {"live", "reserved"}:
                continue
            if coupon.state == "reserved":
                coupon.due_s = self.now_s + RETRY_S
            else:
                coupon.state = "lapsed"
                self.breakage += coupon.micro

    def pay_out(self, vendor: str, payout: str, micro: int) -> None:
        self.moved[vendor] -= micro
        self.transit[payout] = (vendor, micro)

    def paid_out(self, payout: str) -> None:
        self.bank -= self.transit.pop(payout)[1]

    def came_back(self, payout: str) -> None:
        vendor, micro = self.transit.pop(payout)
        self.moved[vendor] += micro
