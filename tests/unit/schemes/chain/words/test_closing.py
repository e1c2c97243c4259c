"""What was set apart is closed by its vendor, and the rest comes back with its next claim."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.errors import (
    Busy,
    Closed,
    Conflict,
    Expired,
    Finalized,
    Forged,
    Refusal,
    Replayed,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.marks import Hold, Read
from farthing.schemes.chain.tick import TickVendorMint
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.chain.words.purse import close_order
from farthing.schemes.contract import Account, Instrument, Json
from tests.kit import sticks
from tests.kit.parties import binding_of, on_the_wire, vendor_account
from tests.kit.payword import TODAY
from tests.kit.prepaid import (
    KEPT,
    TICKS,
    UNIT_MICRO,
    Scene,
    claim_of,
    opened_of,
    promised,
)


def spend(scene: Scene, instrument: Instrument, ticks: int) -> Instrument:
    """The chain after a payment that the vendor took."""
    paid = scene.payer.pay(instrument, scene.offer(ticks))
    scene.vendor.serve(paid.payload, scene.offer(ticks))
    assert paid.after is not None
    return paid.after


def order_of(scene: Scene, instrument: Instrument) -> dict[str, Any]:
    message: dict[str, Any] = scene.payer.purse.give_back(instrument, scene.clock.at()).message
    return message


def close(scene: Scene, instrument: Instrument) -> Json:
    return scene.vendor.burn(order_of(scene, instrument))


def closing_claim(scene: Scene) -> dict[str, Any]:
    (claim,) = [one for one in scene.vendor.claims() if one.get("closing")]
    return dict(claim)


def signed_anew(instrument: Instrument, **changes: Any) -> dict[str, Json]:
    """The order to close another commitment of the same payer."""
    secret = codec.unb64u(opened_of(instrument).secret)
    return close_order(promised(instrument, **changes), secret)


@settings(max_examples=25, deadline=None)
@given(
    payments=st.lists(st.integers(1, 200), max_size=5),
    cleared_after=st.integers(0, 5),
    backwards=st.booleans(),
)
def test_what_was_prepaid_is_what_was_paid_and_what_came_back(
    payments: list[int], cleared_after: int, *, backwards: bool
) -> None:
    scene = Scene()
    chain = scene.open()
    for number, ticks in enumerate(payments):
        if number == cleared_after:
            for claim in scene.vendor.claims():
                scene.broker.redeem(claim)
        chain = spend(scene, chain, ticks)
    paid_micro = UNIT_MICRO * sum(payments)
    said = close(scene, chain)
    assert said == {"closed": opened_of(chain).commitment.id, "paidMicro": paid_micro}
    claims = scene.vendor.claims()
    for claim in reversed(claims) if backwards else claims:
        scene.broker.redeem(claim)
    balances = scene.broker.balances
    assert balances.get("vendor/news", 0) == paid_micro
    assert (balances["credit/ann"], balances[KEPT]) == (-paid_micro, 0)
    assert sum(map(scene.broker.redeem, claims)) == 0, "and again"
    scene.wait((TODAY + 3) * DAY_S)
    assert scene.broker.balances == balances, "time gives nothing back twice"


def test_what_was_never_opened_comes_back_whole() -> None:
    scene = Scene()
    prepaid = scene.prepay()
    close(scene, prepaid)
    assert scene.broker.redeem(closing_claim(scene)) == 0
    assert (scene.broker.balances["credit/ann"], scene.broker.balances[KEPT]) == (0, 0)
    _, chain = scene.payer.purse.open(prepaid, scene.offer(), scene.clock.at())
    with pytest.raises(Replayed):
        spend(scene, chain, 1)
    with pytest.raises(Conflict, match="slot_committed_twice"):
        scene.broker.redeem(claim_of(chain, 1))


def test_nothing_is_paid_with_a_chain_that_was_closed() -> None:
    scene = Scene()
    chain = spend(scene, scene.open(), 3)
    close(scene, chain)
    before = scene.vendor.snapshot()
    for old in (chain, scene.payer.pay(chain, scene.offer(64)).after):
        assert old is not None
        with pytest.raises(Finalized, match="chain_closed"):
            spend(scene, old, 1)
    assert scene.vendor.snapshot() == before


def test_a_chain_is_closed_once_and_the_same_order_has_the_same_answer() -> None:
    scene = Scene()
    older = scene.open()
    chain = spend(scene, older, 3)
    first, before = close(scene, chain), scene.vendor.snapshot()
    assert close(scene, chain) == first
    assert close(scene, older) == first, "so has that of an old copy of the wallet"
    assert scene.vendor.snapshot() == before
    assert len(scene.vendor.claims()) == 2


def test_an_order_that_the_gate_has_forgotten_closes_nothing_again() -> None:
    scene = Scene()
    chain = spend(scene, scene.open(), 3)
    order = close(scene, chain) and order_of(scene, chain)
    mint, account = TickVendorMint(scene.vendor.till.setting), Account(id="", role="payer")
    checked = mint.check("take_back", on_the_wire(order), account, scene.clock.at())
    memory = scene.vendor.store.do_now(Read(keys=mint.recall(checked)))
    with pytest.raises(Finalized, match="chain_closed"):
        mint.apply(checked, memory, scene.clock.at())


def test_a_payment_under_way_is_not_closed_over() -> None:
    scene = Scene()
    chain = spend(scene, scene.open(), 3)
    paid = scene.payer.pay(chain, scene.offer())
    payment = scene.vendor.till.read(codec.canonical(paid.payload))
    memory = scene.vendor.store.do_now(Read(keys=scene.vendor.till.recall(payment)))
    at = scene.clock.at()
    taken = scene.vendor.till.take(payment, scene.offer(), binding_of(), memory, at)
    scene.vendor.store.do_now(
        Hold(
            k="held", digest=bytes(32), marks=taken.marks, kept=b"", now_s=at.now_s,
            lease_until_s=at.now_s + 60, until_s=taken.until_s,
        )
    )  # fmt: skip  # - one struct
    with pytest.raises(Busy):
        close(scene, chain)
    assert len(scene.vendor.claims()) == 1


def changed(name: str, value: Json) -> Callable[[Scene, Instrument], dict[str, Json]]:
    return lambda scene, chain: order_of(scene, chain) | {name: value}


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        (changed("sig", codec.b64u(bytes(64))), Forged),
        (lambda _, chain: signed_anew(chain, vendor="other"), WrongVendor),
        (lambda _, chain: signed_anew(chain, slots=(0, 7)), Unfit),
        (lambda _, chain: signed_anew(chain, slots=(1, 7)), Unfit),
    ],
)
def test_only_its_payer_closes_it_and_only_whole(
    order: Callable[[Scene, Instrument], dict[str, Json]], refusal: type[Refusal]
) -> None:
    scene = Scene()
    chain = spend(scene, scene.open(), 3)
    before = scene.vendor.snapshot()
    with pytest.raises(refusal):
        scene.vendor.burn(order(scene, chain))
    assert scene.vendor.snapshot() == before


def test_one_payers_order_does_not_close_anothers_chain() -> None:
    scene = Scene()
    chain, other = scene.open(), scene.open()
    mine, theirs = order_of(scene, chain), order_of(scene, other)
    with pytest.raises(Forged):
        scene.vendor.burn(mine | {"sig": theirs["sig"]})


def test_credit_is_not_closed() -> None:
    scene = Scene()
    chain = scene.open()
    bare = msgspec.structs.replace(opened_of(chain).commitment.certificate, vendor="")
    with pytest.raises(Unfit, match="nothing_to_close"):
        scene.vendor.burn(signed_anew(chain, certificate=bare))
    with pytest.raises(Unsupported):
        scene.vendor.mint("issue", order_of(scene, chain))


def test_after_its_day_a_gate_closes_nothing() -> None:
    scene = Scene()
    order = order_of(scene, scene.open())
    scene.clock.now_s = (TODAY + 1) * DAY_S + SKEW_S + 1
    with pytest.raises(Expired):
        scene.vendor.burn(order)


def test_a_vendor_that_has_closed_claims_nothing_more() -> None:
    scene = Scene()
    chain = scene.open()
    closing = claim_of(chain, 3) | {"closing": True}
    assert scene.broker.redeem(closing) == 3 * UNIT_MICRO
    before = scene.broker.snapshot()
    assert scene.broker.redeem(closing) == 0
    assert scene.broker.redeem(claim_of(chain, 3)) == 0
    assert scene.broker.redeem({**closing, "links": []}) == 0
    for claim in (claim_of(chain, 4), claim_of(chain, 4) | {"closing": True}):
        with pytest.raises(Finalized, match="chain_closed"):
            scene.broker.redeem(claim)
    assert scene.broker.snapshot() == before
    assert scene.broker.balances[KEPT] == 0


def test_who_closes_early_gives_up_what_was_not_claimed() -> None:
    scene = Scene()
    chain = spend(scene, scene.open(), 10)
    scene.broker.redeem(claim_of(chain, 2) | {"closing": True})
    assert scene.broker.balances == {
        "credit/ann": -2 * UNIT_MICRO,
        "vendor/news": 2 * UNIT_MICRO,
        KEPT: 0,
    }


@pytest.mark.parametrize("changes", [{"slots": (0, 4)}, {"slots": (4, 4)}])
def test_the_broker_gives_back_nothing_for_a_part(changes: dict[str, Any]) -> None:
    scene = Scene()
    chain = scene.open()
    opened = opened_of(chain)
    length = TICKS // 2
    root = opened.commitment.chains[0][2]
    part = promised(chain, chains=((UNIT_MICRO, length, root),), **changes)
    claim = {"commitment": msgspec.to_builtins(part), "links": [], "closing": True}
    with pytest.raises(Unfit, match="nothing_to_close"):
        scene.broker.mint.check("redeem", claim, vendor_account(), scene.clock.at())


def test_only_what_closes_claims_no_word() -> None:
    scene = Scene()
    chain = scene.open()
    with pytest.raises(Unfit):
        scene.broker.redeem(claim_of(chain, 1) | {"links": []})
    assert scene.broker.redeem(claim_of(chain, 1) | {"links": [], "closing": True}) == 0
    assert scene.broker.balances[KEPT] == 0


def test_a_stick_that_was_authorised_is_closed_likewise() -> None:
    scene = sticks.Scene()
    stick = scene.open()
    with pytest.raises(Unsupported, match="chain_ends_by_itself"):
        scene.payer.purse.give_back(stick, scene.clock.at())
    _, after = scene.buy(stick, 300)
    (claim,) = scene.vendor.claims()
    assert scene.broker.redeem(dict(claim)) == 300
    order = scene.payer.purse.give_back(after, scene.clock.at()).message
    scene.vendor.burn(order)
    for one in scene.vendor.claims():
        assert scene.broker.redeem(dict(one)) == 0
    assert scene.broker.balances == {"credit/ann": -300, "vendor/news": 300, KEPT: 0}
    with pytest.raises(Finalized, match="chain_closed"):
        scene.buy(after, 100)


def test_of_a_stick_that_nobody_was_shown_there_is_nothing_to_close() -> None:
    scene = sticks.Scene()
    stick = scene.open()
    purse: Any = scene.payer.purse
    opened = purse.chains.read(stick.body)
    order = close_order(opened.commitment, codec.unb64u(opened.secret))
    with pytest.raises(Closed, match="commitment_unknown"):
        scene.vendor.burn(order)
    claim = {"commitment": order["commitment"], "links": [], "closing": True}
    with pytest.raises(Closed, match="stick_unknown"):
        scene.broker.redeem(claim)
    offline = sticks.Scene(auth="offline")
    with pytest.raises(Unfit, match="nothing_to_close"):
        offline.broker.redeem(sticks.claim_of(offline, offline.open(), 1) | {"closing": True})
