"""What makes ticks: one chain of at most T, three actions, and the name of a stream."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Malformed, OutOfRange, Unfit
from farthing.schemes.chain.tick import (
    NAME_CHARS_MAX,
    TICK,
    TICKS_MAX,
    Opening,
    TickPayment,
    TickPurse,
)
from farthing.schemes.contract import Instrument, Offer, Paid
from tests.kit.parties import binding_of
from tests.kit.payword import Scene

READER = codec.Reader(TickPayment)


class Hand:
    """A payer with a chain, and the vendor who takes its links."""

    def __init__(self, slot_micro: int = 10_000) -> None:
        self.scene = Scene(scheme=TICK)
        self.scene.certificate = self.scene.certify(slot_micro)
        self.instrument: Instrument = self.scene.open()

    def offer(self, ticks: int = 1, *, session: bool = True) -> Offer:
        offer = self.scene.vendor.offer(100 * ticks)
        return msgspec.structs.replace(offer, intent="session" if session else "charge")

    def pay(self, ticks: int = 1, *, stream: str = "", session: bool = True) -> Paid:
        binding = msgspec.structs.replace(binding_of(), stream=stream)
        purse, offer = self.scene.payer.purse, self.offer(ticks, session=session)
        paid = purse.pay(self.instrument, offer, binding, self.scene.clock.at())
        assert isinstance(paid, Paid)
        assert paid.after is not None
        self.instrument = paid.after
        return paid


def read(paid: Paid, **changes: Any) -> TickPayment:
    return READER.read(codec.canonical(paid.payload | changes))


def test_a_stream_is_opened_and_vouchers_name_it() -> None:
    hand = Hand()
    till = hand.scene.vendor.till
    opening = hand.pay()
    voucher = hand.pay(64, stream=opening.k)
    page = hand.pay(2, session=False)
    names = [till.own_k(read(paid)) for paid in (opening, voucher, page)]
    chain = hand.instrument.id.removeprefix("tk:")
    assert names == [f"tick:{chain}:1", f"tick:{chain}:65", ""]
    assert [paid.k for paid in (opening, voucher, page)] == names
    assert [till.stream_of(read(paid)) for paid in (opening, voucher, page)] == [
        opening.k,
        opening.k,
        "",
    ]
    assert [paid.payload["action"] for paid in (opening, voucher, page)] == [
        "open",
        "voucher",
        "pay",
    ]


def test_a_voucher_is_delivered_and_all_that_was_ticked_is_one_claim() -> None:
    hand = Hand()
    vendor = hand.scene.vendor
    opening = hand.pay()
    voucher = hand.pay(5, stream=opening.k)
    first = vendor.serve(opening.payload, hand.offer()).taken
    second = vendor.serve(voucher.payload, hand.offer()).taken
    assert (first.delivered, second.delivered) == (False, True)
    assert (first.value_micro, second.value_micro) == (100, 500)
    hand.scene.clock.now_s += 3_600
    assert hand.scene.clear() == 600, "what was ticked, however long it took"


def test_ticks_above_t_are_out_of_range() -> None:
    hand = Hand(slot_micro=100 * TICKS_MAX)
    commitment = msgspec.json.decode(hand.instrument.body)["commitment"]
    assert commitment["chains"][0][1] == TICKS_MAX
    longer = [[100, TICKS_MAX + 1, commitment["chains"][0][2]]]
    with pytest.raises(Unfit, match="opening_out_of_range"):
        codec.Reader(Opening).convert(commitment | {"chains": longer})
    two = [*commitment["chains"], [200, 1, commitment["chains"][0][2]]]
    with pytest.raises(Unfit, match="opening_out_of_range"):
        codec.Reader(Opening).convert(commitment | {"chains": two})
    short = Hand(slot_micro=300)
    paid = short.pay(3)
    word = paid.payload["links"][0][2]
    with pytest.raises(OutOfRange, match="chain_index_above_length"):
        short.scene.vendor.serve(paid.payload | {"links": [[100, 4, word]]}, short.offer())
    with pytest.raises(OutOfRange, match="chain_used_up"):
        short.pay()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"action": "voucher", "stream": ""}, "stream_misplaced"),
        ({"action": "open", "stream": "tick:x:1"}, "stream_misplaced"),
        ({"action": "voucher", "stream": "own"}, "stream_malformed"),
    ],
)
def test_what_an_action_does_not_fit_is_unfit(changes: dict[str, str], code: str) -> None:
    hand = Hand()
    paid = hand.pay()
    if changes["stream"] == "own":
        changes = changes | {"stream": paid.k}
    with pytest.raises(Unfit, match=code):
        hand.scene.vendor.serve(paid.payload | changes, hand.offer())
    assert hand.scene.clear() == 0


def test_ticks_are_paid_with_one_link() -> None:
    paid = Hand().pay()
    link = paid.payload["links"][0]
    with pytest.raises(Malformed, match="links"):
        read(paid, links=[link, [200, *link[1:]]])
    with pytest.raises(Malformed, match="links"):
        read(paid, links=[])


def test_a_stream_has_a_name_of_so_many_characters() -> None:
    opening = Hand().pay()
    name = "x" * NAME_CHARS_MAX
    assert read(opening, action="voucher", stream=name).stream == name
    with pytest.raises(Malformed, match="stream"):
        read(opening, action="voucher", stream=name + "x")


@pytest.mark.parametrize("session", [True, False])
def test_a_page_is_not_paid_as_a_stream_nor_the_reverse(*, session: bool) -> None:
    hand = Hand()
    paid = hand.pay(session=session)
    with pytest.raises(Unfit, match="action_misplaced"):
        hand.scene.vendor.serve(paid.payload, hand.offer(session=not session))


def test_a_purse_pays_no_more_at_once_than_the_vendor_takes() -> None:
    hand = Hand(slot_micro=400_000)
    purse, at = hand.scene.payer.purse, hand.scene.clock.at()
    assert isinstance(purse, TickPurse)
    terms = {"unitMicro": 100, "maxSteps": 1000}
    for price_micro, changed, code in (
        (100_100, terms, "too_many_links"),
        (100, terms | {"maxSteps": 0}, "offer_without_steps"),
        (100, {}, "offer_without_steps"),
    ):
        offer = msgspec.structs.replace(hand.offer(), price_micro=price_micro, terms=changed)
        with pytest.raises(OutOfRange, match=code):
            purse.pay(hand.instrument, offer, binding_of(), at)
