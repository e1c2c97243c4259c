
import msgspec

from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    Revoked,
    Underpaid,
    WrongVendor,
)
from tests.kit.millicent import Scene, held

REFUSED = (Malformed, Forged, WrongVendor, Expired, Revoked, Underpaid)  # Unfit is Malformed


def test_a_page_is_paid_and_the_change_buys_the_next() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    left = scene.payer.spend(scene.vendor, piece, 200)
    assert left is not None
    assert left.worth_micro == 800
    left = scene.payer.spend(scene.vendor, left, 800)
    assert left is None
    assert scene.clear() == 1000
    scene.audit()


def test_change_keeps_payer_props_and_expiry() -> None:
    scene = Scene(props="state=ca;student=true")
    asked = scene.payer.purse.ask
    need = {"valueMicro": 1000, "vendor": "news", "props": "student=true"}
    applied = scene.broker.run("issue", need, scene.payer.account)
    kept = msgspec.structs.replace(asked.__self__.ask(_need(1000), scene.clock.at()))  # type: ignore[attr-defined]  # a bound method has its purse
    (piece,) = scene.payer.purse.receive(kept, applied.answer, scene.clock.at())  # type: ignore[misc]  # a sale is no Asked
    left = scene.payer.spend(scene.vendor, piece, 300)
    assert left is not None
    before, after = held(piece), held(left)
    assert after.secret == before.secret
    assert (after.scrip.payer, after.scrip.props, after.scrip.expires_at_s) == (
        before.scrip.payer,
        "student=true",
        before.scrip.expires_at_s,
    )
    assert after.scrip.series != before.scrip.series
