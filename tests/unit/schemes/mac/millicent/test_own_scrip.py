"""The broker's own scrip: bought with money, buys scrip of vendors, goes back to money."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    OutOfRange,
    Refusal,
    Replayed,
    Underpaid,
    Unfit,
    WrongVendor,
)
from farthing.schemes.contract import Asked, Instrument, Json, Key, Need
from farthing.schemes.mac.millicent import own_scrip
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    GRACE_S,
    LICENSED_SERIES,
    PAYER_RANGE,
    request_sig,
    sign_key,
)
from tests.kit.canaries import canary
from tests.kit.flips import bit_flips
from tests.kit.millicent import Scene, held, licence
from tests.kit.parties import BROKER, VENDOR, Ring, vendor_account

REFUSED = (Malformed, Forged, WrongVendor, Expired, Underpaid, Replayed, OutOfRange)


def with_own_scrip() -> Scene:
    """A broker that has granted itself a licence, as it does when it is made."""
    scene = Scene()
    ring = Ring(
        Key(
            id=own_scrip.OWN_SERIES_ID,
            purpose=LICENSED_SERIES,
            secret=canary("broker-series"),
            not_after_s=scene.clock.now_s + 10**9,
        ),
        Key(id=own_scrip.OWN_RANGE_ID, purpose=PAYER_RANGE, secret=canary("broker-range")),
        Key(id=BROKER, purpose=BURN_KEY, secret=canary("broker-burn")),
    )
    grant = licence(ring, quotaMicro=own_scrip.OWN_QUOTA_MICRO)
    scene.broker.run("grant", grant, vendor_account(BROKER))
    return scene


def buy_own(scene: Scene, micro: int = 10_000) -> Instrument:
    need = Need(amount_micro=micro, currency="eur", vendor_id=BROKER)
    asked = scene.payer.purse.ask(need, scene.clock.at())
    applied = scene.broker.run("issue", asked.message, scene.payer.account)
    received = scene.payer.purse.receive(asked, applied.answer, scene.clock.at())
    assert not isinstance(received, Asked)
    return received[0]


def order(piece: Instrument, micro: int, vendor: str = VENDOR) -> dict[str, Json]:
    kept = held(piece)
    k_sig = sign_key(codec.unb64u(kept.secret))
    target = own_scrip.target_of(vendor, micro)
    pay = {
        "nonce": "n",
        "scrip": msgspec.to_builtins(kept.scrip),
        "sig": request_sig(k_sig, BROKER, target, b"", kept.scrip.cert, "n"),
    }
    return {"pay": pay, "valueMicro": micro, "vendor": vendor}


def balance(scene: Scene, name: str) -> int:
    return scene.broker.balances[name]


def test_broker_scrip_buys_vendor_scrip_and_gives_change() -> None:
    scene = with_own_scrip()
    piece = buy_own(scene)
    answer: Any = scene.broker.run("issue", order(piece, 3_000), scene.payer.account).answer
    assert answer["scrip"]["vendor"] == VENDOR
    assert answer["scrip"]["valueMicro"] == 3_000
    assert answer["change"]["vendor"] == BROKER
    assert answer["change"]["valueMicro"] == 7_000
    assert answer["change"]["payer"] == held(piece).scrip.payer
    assert balance(scene, "payer/ann") == -10_000
    assert balance(scene, f"outstanding/{VENDOR}") == 3_000
    assert balance(scene, f"outstanding/{BROKER}") == 7_000


def test_the_exact_value_leaves_no_change() -> None:
    scene = with_own_scrip()
    answer: Any = scene.broker.run(
        "issue", order(buy_own(scene), 10_000), scene.payer.account
    ).answer
    assert "change" not in answer
    assert balance(scene, f"outstanding/{BROKER}") == 0


def test_broker_scrip_pays_once() -> None:
    scene = with_own_scrip()
    piece = buy_own(scene)
    scene.broker.run("issue", order(piece, 3_000), scene.payer.account)
    before = scene.broker.snapshot()
    for again in (order(piece, 3_000), order(piece, 2_000)):
        with pytest.raises(Replayed):
            scene.broker.run("issue", again, scene.payer.account)
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    with pytest.raises(Replayed):
        scene.broker.run("take_back", asked.message, scene.payer.account)
    assert scene.broker.snapshot() == before


def test_broker_scrip_goes_back_to_money_once() -> None:
    scene = with_own_scrip()
    asked = scene.payer.purse.give_back(buy_own(scene), scene.clock.at())
    assert (asked.to, asked.operation) == ("broker", "take_back")
    for _ in range(2):
        scene.broker.run("take_back", asked.message, scene.payer.account)
    assert balance(scene, "payer/ann") == 0
    assert balance(scene, f"outstanding/{BROKER}") == 0


def test_expired_broker_scrip_buys_nothing_and_goes_back_within_its_grace() -> None:
    scene = with_own_scrip()
    piece, late = buy_own(scene), buy_own(scene)
    scene.clock.now_s = piece.expires_at_s + GRACE_S
    with pytest.raises(Expired):
        scene.broker.run("issue", order(piece, 3_000), scene.payer.account)
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    scene.broker.run("take_back", asked.message, scene.payer.account)
    assert balance(scene, "payer/ann") == -10_000
    scene.clock.now_s += 1
    asked = scene.payer.purse.give_back(late, scene.clock.at())
    with pytest.raises(Expired, match="scrip_past_grace"):
        scene.broker.run("take_back", asked.message, scene.payer.account)


def test_a_cash_out_may_be_had_in_broker_scrip() -> None:
    scene = with_own_scrip()
    piece = scene.buy(4_000)
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    receipt = scene.vendor.burn(asked.message)
    wish = {"burn": receipt, "inScrip": True}
    answer: Any = scene.broker.run("take_back", wish, scene.payer.account).answer
    assert answer["scrip"]["vendor"] == BROKER
    assert answer["scrip"]["valueMicro"] == 4_000
    assert balance(scene, f"outstanding/{BROKER}") == 4_000
    assert balance(scene, "payer/ann") == -4_000
    with pytest.raises(Replayed):
        scene.broker.run("take_back", wish, scene.payer.account)
    scene.broker.run("take_back", receipt, scene.payer.account)  # a repeat, and moves nothing
    assert balance(scene, "payer/ann") == -4_000


def test_more_than_the_piece_is_worth_is_underpaid() -> None:
    scene = with_own_scrip()
    with pytest.raises(Underpaid):
        scene.broker.run("issue", order(buy_own(scene, 500), 501), scene.payer.account)


def test_broker_scrip_does_not_buy_itself() -> None:
    scene = with_own_scrip()
    with pytest.raises(Unfit, match="broker_scrip_for_itself"):
        scene.broker.run("issue", order(buy_own(scene), 500, BROKER), scene.payer.account)


def test_scrip_of_a_vendor_pays_for_nothing_at_the_broker() -> None:
    scene = with_own_scrip()
    with pytest.raises(WrongVendor):
        scene.broker.run("issue", order(scene.buy(), 500), scene.payer.account)


def test_every_flipped_bit_of_a_paid_order_is_refused_and_changes_nothing() -> None:
    scene = with_own_scrip()
    message = order(buy_own(scene), 3_000)
    before = scene.broker.snapshot()
    for flipped in bit_flips(codec.canonical(message)):
        with pytest.raises(Refusal) as caught:
            scene.broker.run("issue", codec.read_json(flipped), scene.payer.account)
        assert isinstance(caught.value, REFUSED)
    assert scene.broker.snapshot() == before
    scene.broker.run("issue", message, scene.payer.account)
