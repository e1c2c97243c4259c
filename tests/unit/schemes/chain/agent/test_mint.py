import pytest

from farthing.errors import Denied, Refusal, Unfit, Unsupported
from farthing.marks import Memory, Put
from farthing.schemes.chain.agent.mint import REWOUND_ORDERS
from farthing.schemes.contract import Account, Operation, Redeemed
from tests.kit.agent import UNIT_MICRO, Scene, certificate_of
from tests.kit.parties import PAYER, payer_account, vendor_account

ORDER = {"length": 8, "publicKey": "A" * 43, "segment": 4, "unitMicro": 100, "vendor": ""}


def test_tokens_are_paid_for_when_they_are_sold() -> None:
    scene = Scene()
    certificate = certificate_of(scene.buy(40))
    assert certificate.worth_micro == 40 * UNIT_MICRO
    assert scene.broker.balances == {f"payer/{PAYER}": -4000, "outstanding/": 4000}


def test_order_numbers_continue_over_a_payers_certificates() -> None:
    scene = Scene()
    first, second = certificate_of(scene.buy(40)), certificate_of(scene.buy(7))
    assert (first.first_order, second.first_order) == (1, 41)
    other = scene.broker.run("issue", ORDER, payer_account("bob")).answer["certificate"]
    assert other["firstOrder"] == 1, "another payer has numbers of its own"


def test_after_a_restore_order_numbers_that_may_be_out_are_left_out() -> None:
    scene = Scene()
    scene.buy(40)
    key = b"agent/order/" + PAYER.encode()
    applied = scene.broker.mint.rewind(key, scene.broker.records[key], scene.clock.at())
    assert applied is not None
    (put,) = applied.records
    assert isinstance(put, Put)
    assert int(put.value) == 41 + REWOUND_ORDERS


@pytest.mark.parametrize(
    "changed",
    [
        {"length": 0},
        {"length": 100_001},
        {"segment": 9},
        {"segment": 0},
        {"length": 257, "segment": 1},
        {"unitMicro": 0},
        {"unitMicro": 125_000_001},
    ],
)
def test_an_order_out_of_range_is_refused(changed: dict[str, int]) -> None:
    with pytest.raises(Unfit):
        Scene().broker.run("issue", ORDER | changed, payer_account())


def test_who_lost_all_hears_which_certificates_there_are() -> None:
    scene = Scene()
    serials = {certificate_of(scene.buy(8)).serial for _ in range(3)}
    answer = scene.broker.run("status", {}, scene.payer.account).answer
    assert set(answer["serials"]) == serials
    assert scene.broker.run("status", {}, payer_account("bob")).answer == {"serials": []}


def test_a_certificate_comes_back_to_its_own_account_and_once() -> None:
    scene = Scene()
    instrument = scene.buy(40)
    asked = {"serial": certificate_of(instrument).serial}
    for serial in (asked["serial"], "t_unknown"):
        with pytest.raises(Denied, match="certificate_not_yours"):
            scene.broker.run("take_back", {"serial": serial}, payer_account("eve"))
    assert scene.give_back(instrument)["returnedMicro"] == 3000
    assert scene.give_back(instrument)["returnedMicro"] == 0
    with pytest.raises(Unfit):
        scene.broker.run("take_back", asked | {"opened": 257}, scene.payer.account)


@pytest.mark.parametrize(
    ("operation", "account"),
    [
        ("issue", vendor_account()),
        ("take_back", vendor_account()),
        ("status", vendor_account()),
        ("redeem", payer_account()),
    ],
)
def test_each_message_is_for_its_own_kind_of_account(
    operation: Operation, account: Account
) -> None:
    scene = Scene()
    with pytest.raises(Refusal) as caught:
        scene.broker.run(operation, {}, account)
    assert isinstance(caught.value, Denied)


def test_what_it_does_not_do_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="operation_unsupported"):
        Scene().broker.run("grant", {}, vendor_account())


@pytest.mark.parametrize("revoked", [False, True])
def test_a_payment_that_did_not_come_about_is_put_back(*, revoked: bool) -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40), tokens=3)
    if revoked:  # then it is paid out of what waits for late openings
        scene.give_back(left)
    (report,) = scene.vendors["news"].claims()
    mint, at, before = scene.broker.mint, scene.clock.at(), dict(scene.broker.records)
    key = next(key for key in before if key.startswith(mint.shared))
    checked = mint.check("redeem", report, vendor_account(), at)
    keys = mint.recall(checked)
    known = Memory(records={name: before[name] for name in keys.records if name in before})
    applied = mint.apply(checked, known, at)
    assert isinstance(applied, Redeemed)
    assert bool(applied.answer["lateMicro"]) == revoked
    now = next(one.value for one in applied.records if isinstance(one, Put) and one.key == key)
    (back,) = mint.put_back(applied, Memory(records={key: now}), at)
    assert (back.key, back.value) == (key, before[key])


def test_a_sale_whose_tokens_cost_a_hash_each_before_it_is_paid_is_called_costly() -> None:
    assert "issue" in Scene().broker.mint.costly
