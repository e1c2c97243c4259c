"""A refund: new scrip at the vendor, the price back to a pool at the broker, exactly once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec, marks
from farthing.errors import (
    Busy,
    Forged,
    Malformed,
    Misconfigured,
    OutOfRange,
    Overlimit,
    Refusal,
    Replayed,
    Unfit,
    WrongVendor,
)
from farthing.schemes import subscriptions
from farthing.schemes.contract import Account, Charged, Instrument, Json, Paid, Refund
from farthing.schemes.mac.millicent import refund
from farthing.schemes.mac.millicent.refund import RefundBody, refund_mac
from farthing.schemes.mac.millicent.scrip import GRACE_S, SERIES_SIZE, fresh_expiry_s
from farthing.schemes.subscriptions import Plan
from tests.kit.flips import bit_flips
from tests.kit.millicent import MASTER_SECRETS, Scene, batch, held
from tests.kit.parties import DAY_S, NOW_S, VENDOR, on_the_wire, payer_account, vendor_account

PRICE_MICRO = 200
REFUSED = (Malformed, Forged, WrongVendor, OutOfRange, Overlimit, Replayed)


class Shop(Scene):
    """A scene whose vendor gives back."""

    def sell(
        self, piece: Instrument, price_micro: int = PRICE_MICRO, sold: Plan | None = None
    ) -> tuple[Paid, Charged]:
        """One purchase, and what the vendor's store will say of it."""
        offer = self.vendor.offer(price_micro)
        terms = subscriptions.terms_of((), sold)
        offer = msgspec.structs.replace(offer, terms=offer.terms | terms)
        paid = self.payer.pay(piece, offer)
        taken = self.vendor.serve(paid.payload, offer).taken
        return paid, Charged(
            reference=taken.reference,
            payer=taken.payer,
            value_micro=taken.value_micro,
            kept=taken.kept,
        )

    def give_back(self, charged: Charged) -> Refund:
        """What the vendor's program writes, in one transaction."""
        till, store = self.vendor.till, self.vendor.store
        lease = marks.LeaseSerials(series=till.refund_series(charged), count=1)
        made = till.refund(charged, self.clock.at(store.do_now(lease)))
        hold = marks.Hold(
            k=f"refund/{charged.reference}",
            digest=bytes(32),
            marks=(),
            kept=b"",
            now_s=self.clock.now_s,
            lease_until_s=self.clock.now_s,
            until_s=made.until_s,
        )
        done = store.do_now(marks.Take(hold=hold, outcome=b"", claims=made.claims))
        assert isinstance(done, marks.Held)
        return made

    def take(self, paid: Paid, made: Refund) -> Instrument:
        return self.payer.purse.accept_refund(paid, on_the_wire(made.answer))

    def clear_up(self) -> int:
        """As `clear`, and acknowledged."""
        earned_micro = self.clear()
        rows = self.vendor.store.do_now(marks.Pending(scheme="millicent", count=1000))
        done = tuple((claim.key, claim.order) for _, claim in rows)
        self.vendor.store.do_now(marks.Acknowledge(scheme="millicent", done=done))
        return earned_micro

    def vendor_micro(self) -> int:
        return self.broker.balances[f"vendor/{VENDOR}"]

    def pools_micro(self) -> int:
        """What may still be claimed or returned, by the pools."""
        return sum(
            pool["sold_micro"] - pool["redeemed_micro"] - pool["returned_micro"]
            for key, value in self.broker.records.items()
            if key.startswith(b"millicent/pool/")
            for pool in [msgspec.json.decode(value)]
        )


def body_of(claim: Json) -> RefundBody:
    return msgspec.convert(claim, RefundBody)


def signed(body: RefundBody) -> Json:
    made = msgspec.structs.replace(body, mac=refund_mac(MASTER_SECRETS["burn"], body))
    return msgspec.to_builtins(made)


def test_a_page_that_sold_a_plan_is_refunded_like_any_other() -> None:
    shop = Shop()
    paid, charged = shop.sell(shop.buy(), sold=Plan(plan="month", days=30))
    made = shop.give_back(charged)
    assert shop.clear_up() == 0
    piece = shop.take(paid, made)
    assert piece.worth_micro == PRICE_MICRO
    shop.cash_out(piece)


@pytest.mark.parametrize("cleared_first", [False, True])
def test_a_refunded_page_earns_nothing_and_its_price_is_spent_again(
    cleared_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    shop = Shop()
    paid, charged = shop.sell(shop.buy())
    if cleared_first:
        assert shop.clear_up() == PRICE_MICRO
    shop.clock.now_s += 3 * DAY_S
    made = shop.give_back(charged)
    assert shop.clear_up() == (-PRICE_MICRO if cleared_first else 0)
    assert shop.vendor_micro() == 0
    piece = shop.take(paid, made)
    assert piece.worth_micro == PRICE_MICRO
    assert piece.expires_at_s == fresh_expiry_s(shop.clock.now_s) > paid.spent.expires_at_s
    _, again = shop.sell(piece)
    assert again.reference != charged.reference
    assert shop.clear_up() == PRICE_MICRO == shop.vendor_micro()
    shop.audit()


def test_the_refund_is_cashed_out_like_other_scrip() -> None:
    shop = Shop()
    paid, charged = shop.sell(shop.buy(PRICE_MICRO))
    shop.clear_up()
    piece = shop.take(paid, shop.give_back(charged))
    with pytest.raises(Busy):  # why the payer does not see it before the claim was taken
        shop.cash_out(piece)
    shop = Shop()
    paid, charged = shop.sell(shop.buy(PRICE_MICRO))
    made = shop.give_back(charged)
    shop.clear_up()
    shop.cash_out(shop.take(paid, made))
    assert not any(shop.broker.balances.values())
    assert shop.pools_micro() == 0


def test_the_same_claim_again_moves_nothing_and_another_of_its_serial_is_replayed() -> None:
    shop = Shop()
    _, charged = shop.sell(shop.buy())
    shop.give_back(charged)
    pay, back = shop.vendor.claims()
    assert (shop.broker.redeem(back), shop.broker.redeem(back)) == (-PRICE_MICRO, 0)
    assert shop.broker.redeem(pay) == PRICE_MICRO, "in whichever order they come"
    before = shop.broker.snapshot()
    with pytest.raises(Replayed, match="serial_already_used"):
        shop.broker.redeem(signed(msgspec.structs.replace(body_of(back), refund_micro=1)))
    assert shop.broker.snapshot() == before
    assert shop.vendor_micro() == 0


def test_the_claim_does_not_use_up_the_serial_of_the_new_piece() -> None:
    shop = Shop()
    paid, charged = shop.sell(shop.buy())
    made = shop.give_back(charged)
    shop.clear_up()
    shop.payer.spend(shop.vendor, shop.take(paid, made), PRICE_MICRO)
    assert shop.clear_up() == PRICE_MICRO


def test_properties_and_pseudonym_stay() -> None:
    shop = Shop(props="student=true")
    piece = shop.buy_with_props("student=true", PRICE_MICRO)
    paid, charged = shop.sell(piece)
    given_back = held(shop.take(paid, shop.give_back(charged))).scrip
    assert given_back.props == "student=true"
    assert given_back.payer == held(piece).scrip.payer


def test_stock_is_given_back_in_stock_and_the_broker_hears_nothing() -> None:
    shop = Shop()
    pieces = batch(shop.vendor.ring, 1, 1000)
    shop.broker.run("grant", pieces, Account(id=VENDOR, role="broker"))
    piece = shop.buy()
    assert held(piece).scrip.is_stock
    paid, charged = shop.sell(piece)
    made = shop.give_back(charged)
    assert made.claims == () == tuple(shop.vendor.claims())
    given_back = shop.take(paid, made)
    assert held(given_back).scrip.is_stock
    _, again = shop.sell(given_back)
    assert again.value_micro == PRICE_MICRO
    assert shop.vendor.claims() == []


def test_an_expiry_beyond_that_of_new_scrip_is_refused_and_a_fast_clock_makes_none() -> None:
    shop = Shop()
    _, charged = shop.sell(shop.buy())
    shop.clock.now_s += DAY_S - shop.clock.now_s % DAY_S - 60  # a minute to midnight
    broker_now_s = shop.clock.now_s
    shop.clock.now_s += 119  # the vendor's clock is ahead
    shop.give_back(charged)
    shop.clock.now_s = broker_now_s
    _, back = shop.vendor.claims()
    assert shop.broker.redeem(back) == -PRICE_MICRO
    newest_s = fresh_expiry_s(broker_now_s)
    early = msgspec.structs.replace(body_of(back), expires_at_s=newest_s + 2 * DAY_S)
    late = msgspec.structs.replace(body_of(back), expires_at_s=newest_s + 3 * DAY_S)
    uneven = msgspec.structs.replace(body_of(back), expires_at_s=body_of(back).expires_at_s - 1)
    before = shop.broker.snapshot()
    with pytest.raises(Busy, match="refunded_too_early"):
        shop.broker.redeem(signed(early))
    for wrong in (late, uneven):
        with pytest.raises(OutOfRange, match="refunded_too_long"):
            shop.broker.redeem(signed(wrong))
    assert shop.broker.snapshot() == before


def test_a_vendor_gives_back_its_own_only() -> None:
    shop = Shop()
    _, charged = shop.sell(shop.buy())
    shop.give_back(charged)
    _, back = shop.vendor.claims()
    with pytest.raises(WrongVendor):
        shop.broker.redeem(back, vendor_id="other")


def test_a_claim_with_a_flipped_bit_is_refused_and_changes_nothing() -> None:
    shop = Shop()
    _, charged = shop.sell(shop.buy())
    shop.give_back(charged)
    pay, back = shop.vendor.claims()
    shop.broker.redeem(pay)
    before = shop.broker.snapshot()
    for raw in bit_flips(codec.canonical(back)):
        with pytest.raises(REFUSED):
            shop.broker.run("redeem", codec.read_json(raw), vendor_account())
    assert shop.broker.snapshot() == before


def test_a_flipped_bit_in_what_the_payer_gets_is_refused() -> None:
    shop = Shop()
    paid, charged = shop.sell(shop.buy())
    for raw in bit_flips(codec.canonical(shop.give_back(charged).answer)):
        with pytest.raises(REFUSED):
            shop.payer.purse.accept_refund(paid, codec.read_json(raw))


@pytest.mark.parametrize(
    "changed",
    [{"value_micro": PRICE_MICRO - 1}, {"payer": "0001" + "f" * 12}, {"props": "student=true"}],
)
def test_what_the_vendor_signed_must_still_be_the_price(changed: dict[str, Any]) -> None:
    """A vendor that signs another piece than is due is refused: the word alone is no reason."""
    shop = Shop()
    paid, charged = shop.sell(shop.buy())
    answer: Any = on_the_wire(shop.give_back(charged).answer)
    given_back = msgspec.convert(answer, refund.Given)
    wrong = msgspec.structs.replace(given_back.scrip, **changed)
    secret = codec.unb64u(held(paid.spent).secret)
    answer = refund.Given(scrip=wrong, sig=refund.word_of(secret, charged.reference, wrong))
    with pytest.raises(Forged, match="refund_wrong"):
        shop.payer.purse.accept_refund(paid, msgspec.to_builtins(answer))


def test_a_word_for_one_payment_is_none_for_another() -> None:
    shop = Shop()
    paid, charged = shop.sell(shop.buy())
    other, _ = shop.sell(shop.buy())
    made = shop.give_back(charged)
    with pytest.raises(Forged, match="refund_forged"):
        shop.payer.purse.accept_refund(other, made.answer)
    assert shop.take(paid, made).worth_micro == PRICE_MICRO


@pytest.mark.parametrize(
    ("name", "value"),
    [("expires_at_s", DAY_S * 2), ("refund_micro", 6), ("serial", "0" * 16), ("vendor", "other")],
)
def test_every_field_is_under_the_mac(name: str, value: int | str) -> None:
    body = RefundBody(expires_at_s=DAY_S, refund_micro=5, serial="1" * 16, vendor="news")
    key = bytes(32)
    other = msgspec.structs.replace(body, **{name: value})
    assert refund_mac(key, other) != refund_mac(key, body)


def test_a_refund_of_nothing_does_not_exist() -> None:
    with pytest.raises(Unfit):
        RefundBody(expires_at_s=DAY_S, refund_micro=0, serial="1" * 16, vendor="news")


steps = st.lists(
    st.sampled_from(["buy", "pay", "refund", "take", "clear", "return", "day", "month"]),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, data=st.data())
def test_the_books_hold_over_any_sequence_with_refunds(
    steps: list[str], data: st.DataObject
) -> None:
    """Issued = redeemed + returned + expired + outstanding, whatever comes in whichever order."""
    shop = Shop()
    pieces: list[Instrument] = []
    sales: list[tuple[Paid, Charged]] = []
    given_back: list[tuple[Paid, Refund]] = []
    refunded_micro = served_micro = 0
    for step in steps:
        pieces = [one for one in pieces if one.expires_at_s > shop.clock.now_s]
        match step:
            case "buy":
                pieces.append(shop.buy(1000))
            case "pay" if pieces:
                piece = pieces.pop(data.draw(st.integers(0, len(pieces) - 1)))
                price_micro = data.draw(st.integers(1, piece.worth_micro))
                offer = shop.vendor.offer(price_micro)
                paid = shop.payer.pay(piece, offer)
                served = shop.vendor.serve(paid.payload, offer)
                rest = shop.payer.conclude(paid, served)
                pieces += [rest] if rest is not None else []
                taken = served.taken
                sales.append((paid, Charged(
                    reference=taken.reference, payer=taken.payer, value_micro=price_micro,
                    kept=taken.kept,
                )))  # fmt: skip  # - one thing
                served_micro += price_micro
            case "refund" if sales:
                paid, charged = sales.pop(data.draw(st.integers(0, len(sales) - 1)))
                given_back.append((paid, shop.give_back(charged)))
                refunded_micro += charged.value_micro
            case "take" if given_back:
                shop.clear_up()  # acknowledged first
                paid, made = given_back.pop()
                pieces.append(shop.take(paid, made))
            case "clear":
                shop.clear_up()
            case "return" if pieces:
                shop.clear_up()
                shop.cash_out(pieces.pop())
            case "day":
                shop.clock.now_s += DAY_S
            case "month" if shop.clock.now_s < NOW_S + 60 * DAY_S:  # the licence has 90
                shop.clear_up()
                shop.clock.now_s += 30 * DAY_S
                shop.broker.lapse()
            case _:
                continue
    shop.clear_up()
    assert shop.vendor_micro() == served_micro - refunded_micro
    assert shop.pools_micro() == shop.broker.balances[f"outstanding/{VENDOR}"]
    shop.audit()
    shop.clock.now_s += 2 * GRACE_S + 40 * DAY_S
    shop.broker.lapse()
    assert shop.broker.balances[f"outstanding/{VENDOR}"] == 0
    shop.audit()


def test_only_a_vendor_shows_refunds() -> None:
    shop = Shop()
    _, charged = shop.sell(shop.buy())
    shop.give_back(charged)
    _, back = shop.vendor.claims()
    with pytest.raises(Refusal, match="wrong_kind_of_account"):
        shop.broker.run("redeem", back, payer_account())


def test_two_refunds_are_two_though_their_payer_is_one() -> None:
    shop = Shop()
    sold = [shop.sell(shop.buy())[1] for _ in range(2)]
    assert shop.clear_up() == 2 * PRICE_MICRO
    for charged in sold:
        shop.give_back(charged)
    claim = next(each for each in shop.vendor.claims() if refund.is_claim(each))
    assert shop.clear_up() == -2 * PRICE_MICRO
    assert shop.broker.run("redeem", claim, vendor_account()).answer == {"refundedMicro": 0}


def test_a_refund_names_its_piece_by_a_serial() -> None:
    with pytest.raises(Unfit):
        RefundBody(expires_at_s=1, refund_micro=1, serial="A" * 16, vendor=VENDOR)


def test_a_series_without_serials_refunds_nothing() -> None:
    shop = Shop()
    _, charged = shop.sell(shop.buy())
    with pytest.raises(Misconfigured, match="series_used_up"):
        shop.vendor.till.refund(charged, shop.clock.at(SERIES_SIZE))


def test_the_mac_of_a_refund_is_what_it_always_was() -> None:
    body = RefundBody(expires_at_s=86_400, refund_micro=200, serial="0" * 16, vendor=VENDOR)
    assert refund_mac(bytes(32), body) == "3f1072356c0980dc259cbf72a8bb2657"
