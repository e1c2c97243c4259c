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
    Overlimit,
    Refusal,
    Replayed,
    Underpaid,
    Unfit,
    WrongVendor,
)
from farthing.schemes.contract import Account, Asked, Instrument, Json, Key, Need, Operation
from farthing.schemes.mac.millicent import own_scrip
from farthing.schemes.mac.millicent.orders import licence_prefix
from farthing.schemes.mac.millicent.purse import MillicentPurse
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
from tests.kit.millicent import Scene, batch, held, licence, vendor_ring
from tests.kit.parties import (
    BROKER,
    DAY_S,
    VENDOR,
    Ring,
    payer_account,
    setting_of,
    vendor_account,
)

NOBODY = Account(id="", role="payer")
REFUSED = (Malformed, Forged, WrongVendor, Expired, Underpaid, Replayed, OutOfRange)


def with_own_scrip() -> Scene:
    """A broker that has granted itself a licence, as it does when it is made."""
    scene = Scene()
    ring = Ring(
        Key(
            id="0000000001",
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


def test_the_wallet_pays_an_order_with_broker_scrip_and_adopts_the_change() -> None:
    scene = with_own_scrip()
    piece = buy_own(scene)
    need = Need(amount_micro=3_000, currency="eur", vendor_id=VENDOR, means=piece)
    asked = scene.payer.purse.ask(need, scene.clock.at())
    assert asked.bearer
    assert scene.broker.mint.is_bearer("issue", asked.message)
    answer: Any = scene.broker.run("issue", asked.message, NOBODY).answer
    bought, change = received(scene, asked, answer)
    assert (bought.vendor_id, bought.worth_micro) == (VENDOR, 3_000)
    assert (change.vendor_id, change.worth_micro) == (BROKER, 7_000)
    scene.payer.spend(scene.vendor, bought, 200)
    again = msgspec.structs.replace(need, amount_micro=7_000, means=change)
    asked = scene.payer.purse.ask(again, scene.clock.at())
    answer = scene.broker.run("issue", asked.message, NOBODY).answer
    assert [each.worth_micro for each in received(scene, asked, answer)] == [7_000]
    assert balance(scene, "payer/ann") == -10_000


def received(scene: Scene, asked: Asked, answer: Json) -> tuple[Instrument, ...]:
    found = scene.payer.purse.receive(asked, answer, scene.clock.at())
    assert not isinstance(found, Asked)
    return found


def test_change_of_broker_scrip_that_is_wrong_is_forged() -> None:
    scene = with_own_scrip()
    need = Need(amount_micro=3_000, currency="eur", vendor_id=VENDOR, means=buy_own(scene))
    asked = scene.payer.purse.ask(need, scene.clock.at())
    answer: Any = scene.broker.run("issue", asked.message, NOBODY).answer
    change = answer["change"]
    for wrong in ({"valueMicro": 6_999}, {"payer": "0" * 16}, {"vendor": VENDOR}, {"expiresS": 1}):
        with pytest.raises(Forged, match="change_wrong"):
            received(scene, asked, answer | {"change": change | wrong})
    with pytest.raises(Forged, match="change_missing"):
        received(scene, asked, {name: answer[name] for name in ("scrip", "secret")})


def test_a_wallet_with_a_float_has_its_scrip_back_as_broker_scrip() -> None:
    scene = with_own_scrip()
    purse = MillicentPurse(setting_of(Ring(), float=True))
    first = purse.give_back(scene.buy(4_000), scene.clock.at())
    second = purse.receive(first, scene.vendor.burn(first.message), scene.clock.at())
    assert isinstance(second, Asked)
    assert second.bearer
    assert scene.broker.mint.is_bearer("take_back", second.message)
    answer: Any = scene.broker.run("take_back", second.message, NOBODY).answer
    for wrong in ({"valueMicro": 3_999}, {"vendor": VENDOR}, {"currency": "usd"}):
        with pytest.raises(Forged, match="scrip_not_as_ordered"):
            purse.receive(second, answer | {"scrip": answer["scrip"] | wrong}, scene.clock.at())
    (piece,) = purse.receive(second, answer, scene.clock.at())  # type: ignore[misc]  # no Asked
    assert (piece.vendor_id, piece.worth_micro) == (BROKER, 4_000)
    asked = purse.give_back(piece, scene.clock.at())
    assert (asked.to, asked.bearer) == ("broker", False)
    scene.broker.run("take_back", asked.message, scene.payer.account)
    assert balance(scene, "payer/ann") == 0


def test_broker_scrip_buys_from_the_warehouse_too() -> None:
    scene = with_own_scrip()
    stocked = batch(vendor_ring(), 2, 5_000)
    scene.broker.run("grant", stocked, Account(id=VENDOR, role="broker"))
    need = Need(amount_micro=3_000, currency="eur", vendor_id=VENDOR, means=buy_own(scene))
    asked = scene.payer.purse.ask(need, scene.clock.at())
    answer = scene.broker.run("issue", asked.message, NOBODY).answer
    bought, change = received(scene, asked, answer)
    assert (bought.worth_micro, change.worth_micro) == (5_000, 5_000)
    assert balance(scene, f"outstanding/{BROKER}") == 5_000
    small = msgspec.structs.replace(need, means=buy_own(scene, 4_000))
    asked = scene.payer.purse.ask(small, scene.clock.at())
    answer = scene.broker.run("issue", asked.message, NOBODY).answer
    assert [each.worth_micro for each in received(scene, asked, answer)] == [3_000, 1_000]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("issue", {"valueMicro": 1, "vendor": VENDOR}),
        ("issue", {"pay": None, "valueMicro": 1, "vendor": VENDOR}),
        ("issue", {"pay": {}, "props": "student=true", "valueMicro": 1, "vendor": VENDOR}),
        ("take_back", {"burn": {}}),
        ("take_back", {"burn": {}, "inScrip": False}),
        ("grant", {"pay": {}}),
        ("redeem", {"inScrip": True}),
        ("issue", []),
    ],
)
def test_what_does_not_pay_for_itself_needs_an_account(operation: Operation, message: Json) -> None:
    assert not with_own_scrip().broker.mint.is_bearer(operation, message)


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


def test_a_broker_grants_itself_another_series_each_time() -> None:
    ring = Ring(Key(id="1", purpose=own_scrip.OWN_KEY, secret=canary("own")))
    first, second = (own_scrip.licence_of(ring, bytes([255, 0, 0, 0, n])) for n in (1, 2))
    assert (first.series, second.series) == ("7f00000001", "7f00000002")
    assert first.k_scrip != second.k_scrip
    assert (first.k_payer, first.k_burn) == (second.k_payer, second.k_burn)


def test_broker_scrip_that_was_spent_is_no_breakage_when_its_pool_lapses() -> None:
    scene = with_own_scrip()
    scene.broker.run("issue", order(buy_own(scene), 3_000), scene.payer.account)
    scene.clock.now_s += 120 * DAY_S
    scene.broker.lapse()
    assert balance(scene, f"breakage/{BROKER}") == 7_000, "the change, which nobody brought back"
    assert balance(scene, f"outstanding/{BROKER}") == 0


def test_broker_scrip_that_went_back_to_money_is_no_breakage_when_its_pool_lapses() -> None:
    scene = with_own_scrip()
    buy_own(scene, 1_000)
    asked = scene.payer.purse.give_back(buy_own(scene), scene.clock.at())
    scene.broker.run("take_back", asked.message, scene.payer.account)
    scene.clock.now_s += 120 * DAY_S
    scene.broker.lapse()
    assert balance(scene, f"breakage/{BROKER}") == 1_000
    assert balance(scene, f"outstanding/{BROKER}") == 0


def test_broker_scrip_goes_back_on_its_payers_word_only() -> None:
    scene = with_own_scrip()
    message: Any = scene.payer.purse.give_back(buy_own(scene), scene.clock.at()).message
    before = scene.broker.snapshot()
    for changed in ({"nonce": "another"}, {"sig": "0" * 32}):
        with pytest.raises(Forged, match="burn_signature_wrong"):
            scene.broker.run("take_back", message | changed, payer_account("thief"))
    assert scene.broker.snapshot() == before


def test_a_broker_begins_with_a_licence_of_its_own_and_never_goes_on_with_an_older_one() -> None:
    scene = Scene()
    scene.broker.ring.add(Key(id="1", purpose=own_scrip.OWN_KEY, secret=canary("own")))
    founded = scene.broker.mint.found(scene.clock.at())
    assert founded is not None
    scene.broker._write(founded)
    assert buy_own(scene).worth_micro == 10_000
    for key in [key for key in scene.broker.records if key.startswith(licence_prefix(BROKER))]:
        closed = scene.broker.mint.rewind(key, scene.broker.records[key], scene.clock.at())
        assert closed is not None
        scene.broker._write(closed)
    with pytest.raises(Overlimit, match="licence_used_up"):
        buy_own(scene)


def test_a_piece_that_is_worth_less_than_the_order_is_not_offered() -> None:
    scene = with_own_scrip()
    need = Need(amount_micro=501, currency="eur", vendor_id=VENDOR, means=buy_own(scene, 500))
    with pytest.raises(OutOfRange, match="scrip_below_price"):
        scene.payer.purse.ask(need, scene.clock.at())
