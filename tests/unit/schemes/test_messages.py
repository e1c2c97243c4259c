"""What the contract's structs promise whatever the scheme."""

import inspect

import msgspec
import pytest

from farthing.marks import Keys
from farthing.schemes import contract, messages
from farthing.schemes.contract import (
    Accepted,
    Applied,
    Asked,
    At,
    Concluded,
    Finished,
    Instrument,
    Key,
    Offer,
    Paid,
    Taken,
)
from tests.kit.canaries import canary, leaked

SECRET = canary("message")
TEXT = SECRET.decode()
STRUCTS = [
    kind
    for _, kind in inspect.getmembers(messages, inspect.isclass)
    if issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__
]
INSTRUMENT = Instrument(
    id="i",
    scheme="s",
    vendor_id="",
    currency="eur",
    worth_micro=1,
    expires_at_s=1,
    body=SECRET,
)
HOLDERS = [
    Accepted(change=TEXT, released=TEXT),
    Applied(answer=TEXT, for_payer=TEXT, keys=(Key(id="1", purpose="p", secret=SECRET),)),
    Asked(operation="issue", message=TEXT, kept=SECRET),
    At(now_s=1, entropy=SECRET),
    Concluded(instruments=(INSTRUMENT,), release=TEXT, shown=TEXT),
    Finished(change=TEXT, released=TEXT),
    INSTRUMENT,
    Key(id="1", purpose="p", secret=SECRET),
    Paid(payload=TEXT, spent=INSTRUMENT, after=None, kept=SECRET),
    Taken(
        value_micro=1,
        reference="r",
        payer="p",
        marks=(),
        until_s=1,
        kept=SECRET,
        mac_key=SECRET,
    ),
]


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_messages_are_frozen(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_a_repr_shows_no_secret(holder: msgspec.Struct) -> None:
    assert leaked(repr(holder), {"message": SECRET}) == []


def test_every_message_is_imported_from_the_contract() -> None:
    assert {kind.__name__ for kind in STRUCTS} <= set(contract.__all__)


def test_a_plain_payment_opens_no_stream_and_asks_the_origin() -> None:
    taken = Taken(value_micro=1, reference="r", payer="p", marks=(), until_s=1)
    assert not taken.meter
    assert taken.meter == Keys()
    assert not taken.delivered
    assert taken.moment == "batch"


def test_an_offer_is_a_charge_with_nothing_sealed_unless_it_says_so() -> None:
    offer = Offer(
        scheme="s",
        price_micro=1,
        currency="eur",
        vendor_id="v",
        broker_id="b",
        broker_url="",
        settlement="final",
    )
    assert (offer.intent, offer.sealed, offer.guarantor) == ("charge", b"", "broker")
