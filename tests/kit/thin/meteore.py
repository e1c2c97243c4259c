"""METEORE, paper-thin: the wallet asks the broker in the middle, and carries its word on.

Only the shape is real: the toy is in `confirmation.py`; there are no coupons, thresholds, periods.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import require_equal
from farthing.errors import Expired, Mismatch, Replayed
from farthing.marks import Delete, Keys, Memory, Once
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin import shape
from tests.kit.thin.confirmation import Confirmation, Order
from tests.kit.thin.shape import BROKER_KEY, DAY_S, FOREVER_S, SHARED_KEY

TRAITS = shape.traits_of("meteore", "IST-2000-29601")
OFFER_LIFE_S = 300


_ORDER, _CONFIRMATION = codec.Reader(Order), codec.Reader(Confirmation)


def _held(vendor: str) -> c.End:
    return c.End(kind="outstanding", id=vendor)


class Mint(c.Mint):
    traits = TRAITS

    def check(self, operation: c.Operation, message: Json, account: c.Account, at: At) -> c.Checked:
        if operation == "redeem":
            claim = _CONFIRMATION.convert(message)
            claim.verify(self.setting.ring.current(BROKER_KEY).public, account.id)
            return c.Checked(operation=operation, message=claim, account=account)
        if "public" in message:
            return shape.check_account(message, account)
        order = _ORDER.convert(message)
        shared = self.setting.ring.current(SHARED_KEY).secret
        require_equal("offer_forged", order.mac.encode(), order.sealed(shared).encode())
        if at.now_s > order.until:
            raise Expired("offer_expired", "fetch a fresh offer")
        return c.Checked(operation=operation, message=order, account=account)

    def recall(self, checked: c.Checked) -> Keys:
        return Keys(records=(_tx(checked.message),)) if checked.operation == "redeem" else Keys()

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        message: Order | Confirmation | str = checked.message
        if isinstance(message, str):
            return shape.register(TRAITS, checked)
        if isinstance(message, Order):
            return self._confirm(message, checked.account, at)
        if _tx(message) not in memory.records:
            raise Replayed("confirmation_used", "it was redeemed, or has lapsed")
        target = c.End(kind="vendor", id=message.vendor)
        flow = shape.flow(_held(message.vendor), target, message.price)
        records = (Delete(key=_tx(message)),)
        return c.Redeemed(flows=(flow,), records=records, paid_micro=message.price)

    def _confirm(self, order: Order, account: c.Account, at: At) -> c.Issued:
        fields = {"offer": order.offer, "price": order.price, "vendor": order.vendor}
        made = _CONFIRMATION.convert(fields | {"sig": "", "tx": at.entropy[:16].hex()})
        secret = self.setting.ring.current(BROKER_KEY).secret
        sig = codec.b64u(signing.sign(secret, made.signed()))
        record = shape.put(_tx(made), codec.canonical([account.id, order.vendor, order.price]))
        payer = c.End(kind="payer", id=account.id)
        return c.Issued(
            flows=(shape.flow(payer, _held(order.vendor), order.price),),
            marks=(Once(id=b"meteore" + order.offer.encode(), until_s=FOREVER_S),),
            records=(record,),
            due=((at.now_s + DAY_S, record.key),),
            answer=msgspec.to_builtins(msgspec.structs.replace(made, sig=sig)),
        )

    def lapse(self, key: bytes, value: bytes, at: At) -> c.Applied:
        """Money that no vendor has claimed goes back."""
        payer, vendor, price = msgspec.json.decode(value, type=tuple[str, str, int])
        flow = shape.flow(_held(vendor), c.End(kind="payer", id=payer), price)
        return c.Applied(flows=(flow,), records=(Delete(key=key),))


def _tx(confirmation: Confirmation) -> bytes:
    return b"meteore/tx/" + confirmation.tx.encode()


class Purse(shape.AccountPurse):
    traits = TRAITS

    def receive(self, asked: c.Asked, answer: Json, at: At) -> tuple[Instrument, ...]:
        """A confirmation whose payment was forgotten is left to lapse."""
        return super().receive(asked, answer, at) if "public" in asked.message else ()

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> c.Paid | c.AskFirst:
        after = shape.less(instrument, offer.price_micro)
        if answer is None:
            fields = {"price": offer.price_micro, "vendor": offer.vendor_id}
            return c.AskFirst(asked=c.Asked(operation="issue", message=offer.terms | fields))
        confirmation = _CONFIRMATION.convert(answer)
        confirmation.verify(self.setting.ring.current(BROKER_KEY).public, offer.vendor_id)
        return c.Paid(payload=answer, spent=instrument, after=after)


class Till(c.Till):
    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        name, until, vendor = at.entropy[:16].hex(), at.now_s + OFFER_LIFE_S, self.setting.vendor_id
        order = Order(mac="", offer=name, price=price_micro, until=until, vendor=vendor)
        sealed = order.sealed(self.setting.ring.current(SHARED_KEY).secret)
        terms = {"mac": sealed, "offer": name, "until": until}
        return shape.offer_of(TRAITS, self.setting, price_micro, settlement="deferred", terms=terms)

    def read(self, payload: bytes) -> Confirmation:
        return _CONFIRMATION.read(payload)

    def take(
        self, payment: Confirmation, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        payment.verify(self.setting.ring.current(BROKER_KEY).public, self.setting.vendor_id)
        if (payment.offer, payment.price) != (offer.terms["offer"], offer.price_micro):
            raise Mismatch("confirmation_of_another_offer", "pay the offer that was made")
        key = b"meteore" + payment.tx.encode()
        claim = shape.claim(TRAITS, key, 1, payment.price, payment)
        taken = shape.taken(payment.price, f"me:{payment.tx}", Once(id=key, until_s=FOREVER_S))
        return msgspec.structs.replace(taken, claims=(claim,))


METEORE = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
