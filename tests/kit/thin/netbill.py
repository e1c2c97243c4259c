"""NetBill, paper-thin: sealed goods come with the offer, and the broker sells their key.

Only the shape is real; the toys are in `order.py`.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac
from farthing.errors import Expired, Forged, Mismatch, Replayed, WrongPayer
from farthing.marks import Keys, Memory, Once, Put
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin import shape
from tests.kit.thin.order import Endorsed, Order, digest, endorsed, sealing
from tests.kit.thin.shape import FOREVER_S, GOODS_KEY, SHARED_KEY

TRAITS = shape.traits_of("netbill", "Cox, Tygar, Sirbu 1995", latest="before", sealed=True)
ORDER_LIFE_S = 300  # the vendor cannot hold an order as an option for longer

_ORDER, _ENDORSED = codec.Reader(Order), codec.Reader(Endorsed)


def _record(order: Order) -> bytes:
    """Where the broker keeps the key of a paid order; empty: the order is dead."""
    return b"netbill/order/" + order.order.encode()


class Mint(c.Mint):
    traits = TRAITS

    def check(self, operation: c.Operation, message: Json, account: c.Account, at: At) -> c.Checked:
        if operation == "issue":
            return shape.check_account(message, account)
        claim = _ENDORSED.convert(message)
        claim.order.verify()
        if operation == "redeem":
            claim.verify(self.setting.ring.current(SHARED_KEY).secret)
        return c.Checked(operation=operation, message=claim, account=account)

    def recall(self, checked: c.Checked) -> Keys:
        if checked.operation == "issue":
            return Keys()
        order: Order = checked.message.order
        return Keys(records=(_record(order), shape.account_key(TRAITS, order.public)))

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        if checked.operation == "issue":
            return shape.register(TRAITS, checked)
        claim: Endorsed = checked.message
        order, found = claim.order, memory.records.get(_record(claim.order))
        payer = memory.records[shape.account_key(TRAITS, order.public)].decode()
        if checked.operation == "status":
            if payer != checked.account.id:
                raise WrongPayer("order_of_another", "ask after your own orders")
            return _status(order, found, at)
        if found:
            raise Replayed("order_already_paid", "an order is paid once")
        if found is not None or at.now_s > order.until:
            raise Expired("order_dead", "an order is no option")
        source, target = c.End(kind="payer", id=payer), c.End(kind="vendor", id=order.vendor)
        return c.Redeemed(
            flows=(c.Flow(source=source, target=target, amount_micro=order.price),),
            records=(Put(key=_record(order), value=claim.key.encode(), until_s=FOREVER_S),),
            for_payer={"key": claim.key},
            paid_micro=order.price,
        )


def _status(order: Order, found: bytes | None, at: At) -> c.Applied:
    if found:
        return c.Applied(answer={"state": "paid", "key": found.decode()})
    if found is None and at.now_s <= order.until:
        return c.Waiting(until_s=order.until + 1, answer={"state": "open"})
    dead = Put(key=_record(order), value=b"", until_s=FOREVER_S)
    return c.Applied(records=(dead,), answer={"state": "dead"})


class Purse(shape.AccountPurse):
    traits = TRAITS

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> c.Paid:
        if digest(offer.sealed) != offer.terms["goods"]:
            raise Mismatch("goods_not_as_offered", "what came is not what is offered")
        fields = {"price": offer.price_micro, "public": instrument.id, "vendor": offer.vendor_id}
        order = Order(**(offer.terms | fields), sig="")
        sig = codec.b64u(signing.sign(instrument.body, order.signed()))
        payload = msgspec.to_builtins(msgspec.structs.replace(order, sig=sig))
        after = shape.less(instrument, offer.price_micro)
        return c.Paid(payload=payload, spent=instrument, after=after, kept=offer.sealed)

    def inquire(self, paid: c.Paid, at: At) -> c.Asked:
        return c.Asked(operation="status", message={"order": paid.payload})

    def learn(self, paid: c.Paid, answer: Json, at: At) -> c.Conclusion | None:
        if answer["state"] == "paid":
            return c.Accepted(released={"key": answer["key"]})
        return c.Rolled() if answer["state"] == "dead" else None

    def conclude(self, paid: c.Paid, conclusion: c.Conclusion, at: At) -> c.Concluded:
        if not isinstance(conclusion, c.Accepted) or paid.after is None:
            return super().conclude(paid, conclusion, at)
        key = codec.unb64u(conclusion.released["key"])
        if digest(key) != paid.payload["key"]:
            raise Forged("key_wrong", "ask the broker for the key")
        return c.Concluded(instruments=(paid.after,), shown=sealing(key, paid.kept).decode())


class Till(c.Till):
    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        return shape.offer_of(TRAITS, self.setting, price_micro, settlement="final")

    def _key(self, order: str) -> bytes:
        return mac(32, self.setting.ring.current(GOODS_KEY).secret, order)

    def seal(self, offer: Offer, goods: bytes, at: At) -> Offer:
        order = at.entropy[:16].hex()
        key = self._key(order)
        sealed, until = sealing(key, goods), at.now_s + ORDER_LIFE_S
        terms = {"goods": digest(sealed), "key": digest(key), "order": order, "until": until}
        return msgspec.structs.replace(offer, terms=terms, sealed=sealed)

    def read(self, payload: bytes) -> Order:
        return _ORDER.read(payload)

    def take(
        self, payment: Order, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        offered = offer.terms | {"price": offer.price_micro, "vendor": offer.vendor_id}
        if {name: getattr(payment, name) for name in offered} != offered:
            raise Mismatch("order_not_as_offered", "order what was offered")
        payment.verify()
        mark = Once(id=b"netbill" + payment.order.encode(), until_s=FOREVER_S)
        taken = shape.taken(payment.price, f"nb:{payment.order}", mark)
        return msgspec.structs.replace(taken, moment="before", delivered=True)

    def endorse(self, payment: Order, taken: c.Taken, memory: Memory, at: At) -> Json:
        shared = self.setting.ring.current(SHARED_KEY).secret
        return msgspec.to_builtins(endorsed(payment, self._key(payment.order), shared))

    def finish(self, taken: c.Taken, redeemed: Json, at: At) -> c.Finished:
        return c.Finished(released=redeemed)


NETBILL = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
