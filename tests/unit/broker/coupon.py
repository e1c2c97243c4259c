"""Two small schemes for the broker's tests: prepaid coupons, and a tab that is paid on credit.

They have no purse and no till; the tests play both.
"""

from typing import Any

import msgspec

from farthing import codec
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Expired, Misconfigured, Overlimit, Replayed, Unsupported
from farthing.marks import Advance, Delete, Keys, Memory, Once, Put
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    End,
    Flow,
    Issued,
    Json,
    Key,
    Mint,
    Operation,
    Redeemed,
    Returned,
    Setting,
    Traits,
)

LIFE_S = 1_000
KEPT_S = 100 * 86_400
PURPOSE = "farthing/coupon/coupon/1"


def traits(name: str) -> Traits:
    return Traits(
        name=name,
        wire=name,
        title=name,
        source="ours",
        issuer="broker",
        credit=name == "tab",
        needs_list=False,
        latest="before",
        entropy_bytes=16,
    )


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    micro: int
    expires: int
    mac: str


class CouponMint(Mint):
    """Issue, take back and redeem coupons; each is a record until it is used or lapses."""

    traits = traits("coupon")

    def _mac(self, id: str, micro: int, expires: int) -> str:  # noqa: A002 - the field's name
        key = self.setting.ring.current(PURPOSE)
        return codec.b64u(mac(16, key.secret, PURPOSE, id, micro, expires))

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        if operation in {"issue", "grant"}:
            return Checked(operation=operation, message=message, account=account)
        coupon = codec.Reader(Coupon).convert(message)
        expected = self._mac(coupon.id, coupon.micro, coupon.expires)
        require_equal("coupon_forged", coupon.mac.encode(), expected.encode())
        if at.now_s > coupon.expires:
            raise Expired("coupon_expired")
        return Checked(operation=operation, message=coupon, account=account)

    def recall(self, checked: Checked) -> Keys:
        if checked.operation in {"issue", "grant"}:
            return Keys()
        return Keys(records=(_key(checked.message),))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        payer = End(kind="payer", id=checked.account.id)
        if checked.operation == "grant":
            secret = codec.unb64u(checked.message["secret"])
            key = Key(id=checked.message["id"], purpose="farthing/coupon/grant/1", secret=secret)
            return Issued(keys=(key,), answer="granted")
        if checked.operation == "issue":
            coupon_id, expires = codec.b64u(at.entropy), at.now_s + LIFE_S
            micro = checked.message["micro"]
            coupon = Coupon(
                id=coupon_id,
                micro=micro,
                expires=expires,
                mac=self._mac(coupon_id, micro, expires),
            )
            return Issued(
                flows=(Flow(source=payer, target=_OUT, amount_micro=micro),),
                records=(
                    Put(key=_key(coupon), value=str(micro).encode(), until_s=at.now_s + KEPT_S),
                ),
                due=((expires + 1, _key(coupon)),),
                answer=msgspec.to_builtins(coupon),
            )
        coupon = checked.message
        if _key(coupon) not in memory.records:
            raise Replayed("coupon_used")
        records = (Delete(key=_key(coupon)),)
        marks = (Once(id=b"coupon/once/" + coupon.id.encode(), until_s=at.now_s + KEPT_S),)
        if checked.operation == "take_back":
            return Returned(
                flows=(Flow(source=_OUT, target=payer, amount_micro=coupon.micro),),
                marks=marks,
                records=records,
                answer={"returnedMicro": coupon.micro},
            )
        vendor = End(kind="vendor", id=checked.account.id)
        return Redeemed(
            flows=(Flow(source=_OUT, target=vendor, amount_micro=coupon.micro),),
            marks=marks,
            records=records,
            paid_micro=coupon.micro,
            for_payer={"thanks": coupon.id},
        )

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied:
        breakage = End(kind="breakage")
        return Applied(
            flows=(Flow(source=_OUT, target=breakage, amount_micro=int(value)),),
        )


_OUT = End(kind="outstanding")


def _key(coupon: Coupon) -> bytes:
    return b"coupon/out/" + coupon.id.encode()


class TabMint(Mint):
    """A payer's tab at a vendor: the claim is (payer, index), a micro-unit for each step.

    With `closing` it is one that is decided in batches only.
    """

    traits = traits("tab")
    published = b"tab/barred/"

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        return Checked(operation=operation, message=message, account=account)

    def recall(self, checked: Checked) -> Keys:
        return Keys(counters=(_tab(checked),))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        claim = checked.message
        place = memory.counters.get(_tab(checked))
        last = place.to if place else 0
        if claim["index"] <= last:
            raise Replayed("index_not_above_last", lastIndex=last)
        micro = claim["index"] - last
        flow = Flow(
            source=End(kind="credit", id=claim["payer"]),
            target=End(kind="vendor", id=checked.account.id),
            amount_micro=micro,
        )
        mark = Advance(
            id=_tab(checked), over=last, to=claim["index"], link=b"", until_s=at.now_s + KEPT_S
        )
        is_last = "closing" in claim
        return Redeemed(flows=(flow,), marks=(mark,), paid_micro=micro, batched=is_last)


class ChequeMint(Mint):
    """A payer's cheque to whoever shows it first: nothing but a mark stops the second."""

    traits = traits("cheque")

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        return Checked(operation=operation, message=message, account=account)

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        flow = Flow(
            source=End(kind="payer", id=checked.message["payer"]),
            target=End(kind="vendor", id=checked.account.id),
            amount_micro=checked.message["micro"],
        )
        mark = Once(id=b"cheque/" + checked.message["id"].encode(), until_s=at.now_s + KEPT_S)
        return Redeemed(flows=(flow,), marks=(mark,), paid_micro=flow.amount_micro)


class PotMint(Mint):
    """One pot for all: what payers put in, vendors draw on."""

    traits = traits("pot")
    shared = b"pot/left/"

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        return Checked(operation=operation, message=message, account=account)

    def recall(self, checked: Checked) -> Keys:
        return Keys(records=(POT,))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        left, micro = int(memory.records.get(POT, b"0")), checked.message["micro"]
        due = ((LAPSES_AT_S, POT),)
        if checked.operation == "issue":
            payer = End(kind="payer", id=checked.account.id)
            flow = Flow(source=payer, target=_OUT, amount_micro=micro)
            return Issued(flows=(flow,), records=(_left(left + micro),), due=due, answer="in")
        if micro > left:
            raise Overlimit("pot_empty")
        vendor = End(kind="vendor", id=checked.account.id)
        return Redeemed(
            flows=(Flow(source=_OUT, target=vendor, amount_micro=micro),),
            marks=(Once(id=b"pot/" + checked.message["id"].encode(), until_s=at.now_s + KEPT_S),),
            records=(_left(left - micro),),
            due=due,
            paid_micro=micro,
        )

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        assert isinstance(applied, Redeemed)
        if applied.paid_micro == NOT_RESERVED_MICRO:
            raise Unsupported("pot_stays_open")
        return (_left(int(memory.records[POT]) + applied.paid_micro),)

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        if not int(value):
            return None
        flow = Flow(source=_OUT, target=End(kind="breakage"), amount_micro=int(value))
        return Applied(flows=(flow,), records=(_left(0),))


POT = b"pot/left/all"
LAPSES_AT_S = 1_800_000_000 + 5_000
NOT_RESERVED_MICRO = 77


def _left(micro: int) -> Put:
    return Put(key=POT, value=str(micro).encode(), until_s=LAPSES_AT_S + KEPT_S)


def _tab(checked: Checked) -> bytes:
    claim: dict[str, Any] = checked.message
    return f"tab/{claim['payer']}/{checked.account.id}".encode()


class MemoryRing:
    """Keys in a dictionary."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], Key] = {}

    def current(self, purpose: str) -> Key:
        return self.known(purpose)[0]

    def live(self, purpose: str) -> list[Key]:
        return self.known(purpose)[:2]

    def known(self, purpose: str) -> list[Key]:
        return [key for (of, _), key in reversed(self.keys.items()) if of == purpose]

    def find(self, purpose: str, key_id: str) -> Key | None:
        return self.keys.get((purpose, key_id))

    def add(self, key: Key) -> None:
        if (key.purpose, key.id) in self.keys:
            raise Misconfigured("key_id_taken")
        self.keys[key.purpose, key.id] = key


def ring_for_tests() -> MemoryRing:
    ring = MemoryRing()
    ring.add(Key(id="1", purpose=PURPOSE, secret=bytes(range(32))))
    return ring


def mints(ring: MemoryRing) -> dict[str, Mint]:
    setting = Setting(broker_id="test-broker", currency="eur", ring=ring)
    return {
        "coupon": CouponMint(setting),
        "tab": TabMint(setting),
        "cheque": ChequeMint(setting),
        "pot": PotMint(setting),
    }
