"""What the thin schemes share: traits, offers, instruments and accounts, all that is usual."""

from collections.abc import Mapping

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import OutOfRange
from farthing.marks import Claim, Mark, Moment, Put
from farthing.schemes.contract import (
    Accepted,
    Account,
    Asked,
    At,
    Burned,
    Checked,
    Concluded,
    Conclusion,
    End,
    Flow,
    Instrument,
    Issued,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
    Setting,
    Settlement,
    Taken,
    Traits,
)

DAY_S = 86_400
FOREVER_S = 2**40  # nothing is forgotten in a conversation
SHARED_KEY = "farthing/thin/shared/1"  # of vendor and broker
BROKER_KEY = "farthing/thin/broker/1"  # signs; everybody knows the public half
GOODS_KEY = "farthing/thin/goods/1"  # the vendor's own


def traits_of(
    name: str, source: str, *, latest: Moment = "batch", credit: bool = False, sealed: bool = False
) -> Traits:
    return Traits(
        name=name,
        wire=name,
        title=name,
        source=source,
        issuer="broker",
        credit=credit,
        needs_list=False,
        latest=latest,
        sealed=sealed,
    )


def offer_of(
    traits: Traits,
    setting: Setting,
    price_micro: int,
    *,
    settlement: Settlement,
    terms: Mapping[str, Json] | None = None,
) -> Offer:
    return Offer(
        scheme=traits.name,
        price_micro=price_micro,
        currency=setting.currency,
        vendor_id=setting.vendor_id,
        broker_id=setting.broker_id,
        broker_url=setting.broker_url,
        settlement=settlement,
        terms=dict(terms or {}),
    )


def instrument_of(
    traits: Traits, name: str, worth_micro: int, body: bytes, *, vendor_id: str = ""
) -> Instrument:
    return Instrument(
        id=name,
        scheme=traits.name,
        vendor_id=vendor_id,
        currency="eur",
        worth_micro=worth_micro,
        expires_at_s=FOREVER_S,
        body=body,
    )


def less(instrument: Instrument, amount_micro: int) -> Instrument:
    """What is left of an account; `OutOfRange` below nothing."""
    if instrument.worth_micro < amount_micro:
        raise OutOfRange("worth_below_price", "load more")
    rest_micro = instrument.worth_micro - amount_micro
    return msgspec.structs.replace(instrument, worth_micro=rest_micro)


def taken(value_micro: int, reference: str, *marks: Mark) -> Taken:
    return Taken(
        value_micro=value_micro, reference=reference, payer="", marks=marks, until_s=FOREVER_S
    )


def claim(traits: Traits, key: bytes, order: int, value_micro: int, body: Json) -> Claim:
    return Claim(
        scheme=traits.name,
        key=key,
        order=order,
        value_micro=value_micro,
        body=codec.canonical(body),
        moment="batch",
    )


def put(key: bytes, value: bytes) -> Put:
    return Put(key=key, value=value, until_s=FOREVER_S)


def flow(source: End, target: End, amount_micro: int) -> Flow:
    return Flow(source=source, target=target, amount_micro=amount_micro)


def account_key(traits: Traits, public: str) -> bytes:
    """Where a mint records whose account a payer's key belongs to."""
    return f"{traits.name}/account/{public}".encode()


def check_account(message: Json, account: Account) -> Checked:
    return Checked(operation="issue", message=str(message["public"]), account=account)


def register(traits: Traits, checked: Checked) -> Issued:
    """Keep the payer's public key (the message) with the account that brings it."""
    key, owner = account_key(traits, checked.message), checked.account.id.encode()
    return Issued(records=(put(key, owner),), answer={})


class AccountPurse(Purse):
    """Instruments that are a signing key, known to the broker; the id is the public half."""

    def ask(self, need: Need, at: At) -> Asked:
        secret = at.entropy[:32]
        message = {"public": codec.b64u(signing.public_of(secret)), "micro": need.amount_micro}
        return Asked(operation="issue", message=message, kept=secret)

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...]:
        name, micro = asked.message["public"], asked.message["micro"]
        return (instrument_of(self.traits, name, micro, asked.kept),)

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The account as it was, or less the price."""
        if isinstance(conclusion, Burned):
            return Concluded()
        kept = paid.after if isinstance(conclusion, Accepted) else paid.spent
        return Concluded(instruments=(kept,) if kept is not None else ())
