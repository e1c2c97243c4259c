import pytest

from farthing.errors import (
    Denied,
    Expired,
    Forged,
    Late,
    Malformed,
    OutOfRange,
    Overlimit,
    Unfit,
    WrongVendor,
)
from farthing.schemes.chain.credit.certificate import SUBMIT_S
from farthing.schemes.chain.ecoupon import mint
from farthing.schemes.contract import Json
from tests.kit.canaries import canary
from tests.kit.ecoupon import Scene, coupons_of
from tests.kit.parties import DAY_S, NOW_S, payer_account, vendor_account


def claimed(scene: Scene, price_micro: int = 1900) -> list[Json]:
    """The claims after one purchase over two segments."""
    scene.spend(scene.open(), price_micro)
    return scene.vendor.claims()


def test_each_segment_is_billed_to_whom_the_certificate_names_and_once() -> None:
    scene = Scene()
    one, other = claimed(scene)
    assert sorted([scene.broker.redeem(other), scene.broker.redeem(one)]) == [300, 1600]
    assert [scene.broker.redeem(message) for message in (one, other)] == [0, 0]
    assert scene.broker.balances == {"guarantee/ann": -1900, "vendor/news": 1900}


def test_a_later_claim_of_a_segment_pays_the_difference() -> None:
    scene = Scene()
    left = scene.spend(scene.open(), 300)
    earlier = scene.vendor.claims()
    scene.spend(left, 500)
    [later] = scene.vendor.claims()
    assert scene.broker.redeem(later) == 800
    assert scene.broker.redeem(earlier[0]) == 0


@pytest.mark.parametrize(
    ("name", "change", "refusal"),
    [
        ("another word", {"link": [0, 3, "A" * 22]}, Forged),
        ("another segment", {"link": [1, 3, "A" * 22], "segments": [0, 1]}, Unfit),
        ("no root", {"roots": []}, Unfit),
        ("another root", {"roots": ["A" * 22]}, Forged),
        ("no proof", {"proof": []}, Forged),
        ("an index of nothing", {"link": [0, 0, "A" * 22]}, OutOfRange),
        ("an index above the length", {"link": [0, 17, "A" * 22]}, OutOfRange),
        ("segments beyond the last", {"link": [4, 3, "A" * 22], "segments": [4, 4]}, OutOfRange),
    ],
)
def test_a_claim_with_anything_else_is_refused(
    name: str, change: dict[str, Json], refusal: type[Exception]
) -> None:
    scene = Scene()
    [claim] = claimed(scene, 300)
    before = scene.broker.snapshot()
    wrong = claim | {"parts": [claim["parts"][0] | change]}
    with pytest.raises(refusal):
        scene.broker.redeem(wrong)
    assert scene.broker.snapshot() == before, name
    assert scene.broker.redeem(claim) == 300


def test_a_segment_twice_in_one_claim_and_a_claim_of_nothing_are_unfit() -> None:
    scene = Scene()
    [claim] = claimed(scene, 300)
    wrong: list[list[Json]] = [[], claim["parts"] * 2]
    for parts in wrong:
        with pytest.raises(Unfit, match="segment_repeated"):
            scene.broker.redeem(claim | {"parts": parts})


def test_claims_are_the_vendors_own_and_in_time() -> None:
    scene = Scene()
    [claim] = claimed(scene, 300)
    with pytest.raises(WrongVendor):
        scene.broker.redeem(claim, "daily")
    scene.clock.now_s = (NOW_S // DAY_S + 1) * DAY_S + SUBMIT_S + DAY_S
    with pytest.raises(Late):
        scene.broker.redeem(claim)


def withdrawal(scene: Scene) -> Json:
    shared = scene.share(scene.open(), 1700, canary("phone"))
    assert shared.withdrawal is not None
    return shared.withdrawal.message


def test_a_withdrawal_names_its_segments_on_the_list() -> None:
    scene = Scene()
    message = withdrawal(scene)
    answer = scene.broker.run("take_back", message, scene.account).answer
    commitment_id = scene.broker.mint.check(
        "take_back", message, scene.account, scene.clock.at()
    ).message.commitment.id
    assert answer == {"revoked": [f"{commitment_id}.2", f"{commitment_id}.3"]}
    listed = [key for key in scene.broker.records if key.startswith(b"ecoupon/revoked/")]
    assert len(listed) == 2


def test_nobody_fills_the_list_with_withdrawals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mint, "WITHDRAWN_MAX", 3)
    scene = Scene()
    first, other = withdrawal(scene), withdrawal(scene)
    assert first != other
    for _ in range(2):
        scene.broker.run("take_back", first, scene.account)
    before = scene.broker.snapshot()
    with pytest.raises(Overlimit, match="withdrawals_used_up"):
        scene.broker.run("take_back", other, scene.account)
    scene.clock.now_s += 2 * DAY_S
    with pytest.raises(Expired, match="commitment_expired"):
        scene.broker.run("take_back", first, scene.account)
    assert scene.broker.snapshot() == before


def test_only_its_own_account_withdraws_a_segment() -> None:
    scene = Scene()
    message = withdrawal(scene)
    for account in (payer_account("eve"), vendor_account()):
        with pytest.raises(Denied):
            scene.broker.run("take_back", message, account)
    assert not any(key.startswith(b"ecoupon/revoked/") for key in scene.broker.records)


def test_a_withdrawal_of_what_the_payer_did_not_sign_is_refused() -> None:
    scene = Scene()
    message = withdrawal(scene)
    other = message["commitment"] | {"salt": "A" * 22}
    with pytest.raises(Forged):
        scene.broker.run("take_back", message | {"commitment": other}, scene.account)
    with pytest.raises(OutOfRange):
        scene.broker.run("take_back", message | {"segments": [0, 4]}, scene.account)
    with pytest.raises(Malformed):
        scene.broker.run("take_back", {"segments": [0, 1]}, scene.account)


def test_a_certificate_is_revoked_by_its_serial() -> None:
    scene = Scene()
    serial = coupons_of(scene.open()).commitment.certificate.serial
    answer = scene.broker.run("take_back", {"serial": serial}, scene.account).answer
    assert answer == {"revoked": serial}


REFUSED = (Malformed, Forged, WrongVendor, Late, Overlimit)


def test_a_claim_changed_in_any_member_is_refused() -> None:
    scene = Scene()
    [claim] = claimed(scene, 300)
    for name, value in claim["commitment"].items():
        if name == "certificate":
            continue
        other = value[:-2] + ("AA" if value[-2:] != "AA" else "BA") if isinstance(value, str) else 7
        wrong = claim | {"commitment": claim["commitment"] | {name: other}}
        with pytest.raises(REFUSED):
            scene.broker.redeem(wrong)
