"""MR3, paper-thin: the vendor commits to lists of checks, and the broker says which to open.

Only the shape is real: the toys are in `checks.py`, and there are no fines, caps or limits.
"""

import msgspec

from farthing import codec
from farthing.errors import Conflict, Expired, Mismatch, Underpaid
from farthing.marks import Claim, Delete, Keys, Memory, Once
from farthing.schemes import contract as c
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer
from tests.kit.thin import checks, shape
from tests.kit.thin.checks import Check, Opening, Period, Sealed, billed_key, checks_key, sealed_key
from tests.kit.thin.shape import BROKER_KEY, DAY_S, FOREVER_S

TRAITS = shape.traits_of("lottery", "Micali & Rivest 2002, MR3", credit=True)
DISPUTE_S = 30 * DAY_S
POOL = c.End(kind="lottery")

_CHECK, _PERIOD = codec.Reader(Check), codec.Reader(Period)
_OPENING, _SEALED = codec.Reader(Opening), codec.Reader(Sealed)


class Mint(c.Mint):
    traits = TRAITS

    def check(self, operation: c.Operation, message: Json, account: c.Account, at: At) -> c.Checked:
        if operation == "issue":
            return shape.check_account(message, account)
        if "lists" in message:
            period = _PERIOD.convert(message)
            return c.Checked(operation=operation, message=period, account=account)
        opening = _OPENING.convert(message)
        opening.verify(account.id)
        return c.Checked(operation=operation, message=opening, account=account)

    def recall(self, checked: c.Checked) -> Keys:
        if checked.operation == "issue":
            return Keys()
        message: Period | Opening = checked.message
        payers = message.payers if isinstance(message, Opening) else []
        accounts = [shape.account_key(TRAITS, payer) for payer in payers]
        sealed = sealed_key(checked.account.id, message.period)
        return Keys(records=(sealed, *accounts, *map(billed_key, payers)))

    def apply(self, checked: c.Checked, memory: Memory, at: At) -> c.Applied:
        if checked.operation == "issue":
            return shape.register(TRAITS, checked)
        message: Period | Opening = checked.message
        key = sealed_key(checked.account.id, message.period)
        draw_s = (message.period + 2) * DAY_S  # a day after the period: all have committed
        numbers = checks.drawn(self.setting.ring.current(BROKER_KEY).secret, message.period)
        if isinstance(message, Opening):
            if message.number not in numbers:
                raise Mismatch("list_not_asked_for", "open what was asked for")
            return _open(message, key, memory, at)
        if key not in memory.records:
            sealed = Sealed(period=message, vendor=checked.account.id)
            records = (shape.put(key, codec.canonical(sealed)),)
            return c.Waiting(until_s=draw_s, records=records, due=((draw_s + DAY_S, key),))
        if _SEALED.read(memory.records[key]).period != message:
            raise Conflict("two_commitments", "a period is committed to once")
        if at.now_s < draw_s:
            return c.Waiting(until_s=draw_s)
        return c.Challenge(answer={"period": message.period, "numbers": numbers})

    def lapse(self, key: bytes, value: bytes, at: At) -> c.Applied | None:
        sealed = _SEALED.read(value)
        if sealed.pays_at_s > at.now_s:
            return None
        flow = shape.flow(POOL, c.End(kind="vendor", id=sealed.vendor), sealed.worth_micro)
        return c.Applied(flows=(flow,), records=(Delete(key=key),))


def _open(opening: Opening, key: bytes, memory: Memory, at: At) -> c.Applied:
    """Bill the payers of one list; with the last list the vendor's credit starts to wait."""
    sealed = _SEALED.read(memory.records[key])
    if sealed.period.lists[opening.number] != opening.entry:
        raise Mismatch("list_not_as_committed", "this is not the list of the commitment")
    flows, records = [], []
    for payer in opening.payers:
        to_micro = max(check.to_micro for check in opening.checks if check.public == payer)
        owner = memory.records[shape.account_key(TRAITS, payer)].decode()
        due_micro = to_micro - int(memory.records.get(billed_key(payer), b"0"))
        flows.append(shape.flow(c.End(kind="credit", id=owner), POOL, due_micro))
        records.append(shape.put(billed_key(payer), str(to_micro).encode()))
    sealed = sealed.with_open(opening.number, at.now_s + DISPUTE_S)
    records.append(shape.put(key, codec.canonical(sealed)))
    due = ((sealed.pays_at_s, key),) if sealed.pays_at_s else ()
    return c.Redeemed(flows=tuple(flows), records=tuple(records), due=due)


class Purse(shape.AccountPurse):
    traits = TRAITS

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> c.Paid:
        check, body = checks.write_check(instrument, offer, at.now_s)
        after = msgspec.structs.replace(shape.less(instrument, offer.price_micro), body=body)
        return c.Paid(payload=msgspec.to_builtins(check), spent=instrument, after=after)


class Till(c.Till):
    traits = TRAITS

    def offer(self, price_micro: int, at: At) -> Offer:
        return shape.offer_of(TRAITS, self.setting, price_micro, settlement="probabilistic")

    def read(self, payload: bytes) -> Check:
        return _CHECK.read(payload)

    def take(
        self, payment: Check, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> c.Taken:
        payment.verify(self.setting.vendor_id)
        if payment.value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", "write a larger check")
        if payment.period != at.now_s // DAY_S:
            raise Expired("check_of_another_period", "a check is for its day")
        digest, period = codec.digest(payment), checks_key(payment.period)
        key = checks_key(payment.period, payment.list_number) + digest
        put = shape.put(key, codec.canonical(payment))
        claim = shape.claim(TRAITS, period, 1, 0, payment.period)
        mark = Once(id=b"mr3" + digest, until_s=FOREVER_S)
        taken = shape.taken(payment.value_micro, digest.hex(), mark)
        return msgspec.structs.replace(taken, records=(put,), claims=(claim,))

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        return Keys(prefixes=tuple(claim.key for claim in claims))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        return [self._commit(int(claim.body), memory, at) for claim in claims]

    def _commit(self, period: int, memory: Memory, at: At) -> Json:
        if at.now_s // DAY_S <= period:
            return None  # not over yet
        return msgspec.to_builtins(checks.period_of(period, memory))

    def evidence(self, challenge: Json) -> Keys:
        numbers = challenge["numbers"]
        return Keys(prefixes=tuple(checks_key(challenge["period"], each) for each in numbers))

    def answer(self, challenge: Json, memory: Memory, at: At) -> list[Json]:
        period, numbers = challenge["period"], challenge["numbers"]
        return [msgspec.to_builtins(checks.opening_of(period, each, memory)) for each in numbers]


MR3 = c.Scheme(traits=TRAITS, mint=Mint, purse=Purse, till=Till)
