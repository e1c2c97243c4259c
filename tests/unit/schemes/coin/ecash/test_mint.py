"""The broker: withdrawals, exchanges, returns, restoring, proofs."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Denied,
    Expired,
    Forged,
    Late,
    Malformed,
    Mismatch,
    NotYetValid,
    Replayed,
)
from farthing.marks import Put
from farthing.schemes.coin.deriving import maker_of
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.making import coin_of, output_of, payer_secret, slots
from farthing.schemes.coin.ecash.messages import (
    PROOF_TAG,
    exchange_header,
    mark_of,
    return_header,
)
from farthing.schemes.coin.epochs import DAY_S, EPOCH_S, LATE_S, SKEW_S, epoch_at
from farthing.schemes.contract import Account, Json, Operation
from tests.kit.ecash import (
    ANSWER_KEY,
    LOAD_MICRO,
    PRICE_MICRO,
    Scene,
    boxed,
    pocket_of,
    refused,
    run,
)
from tests.kit.parties import BROKER, NOW_S, VENDOR, on_the_wire, vendor_account

NOBODY = Account(id="", role="payer")


# --- withdrawals ------------------------------------------------------------------------------


def test_the_account_pays_what_was_signed() -> None:
    scene = Scene()
    pocket = scene.withdraw()
    assert pocket.worth_micro == LOAD_MICRO
    assert scene.micro("payer") == -LOAD_MICRO
    assert scene.micro("outstanding") == LOAD_MICRO
    assert sum(1 << one.slot.exponent for one in pocket_of(pocket).coins) == LOAD_MICRO


def test_an_output_is_signed_once() -> None:
    scene = Scene()
    asked = scene.asked()
    scene.received(asked)
    with pytest.raises(Replayed, match="output_signed"):
        refused(scene, "issue", asked.message, scene.account)
    twice = {"outputs": [asked.message["outputs"][0]] * 2}
    with pytest.raises(Malformed, match="output_twice"):
        refused(scene, "issue", twice, scene.account)


def test_keys_sign_in_their_epoch_alone() -> None:
    scene = Scene()
    asked = scene.asked()
    epoch = epoch_at(NOW_S)
    scene.clock.now_s = epoch.signs_until_s + LATE_S + 1
    with pytest.raises(Expired, match="keyset_over"):
        refused(scene, "issue", asked.message, scene.account)
    scene.clock.now_s = epoch.not_before_s - SKEW_S - 1
    with pytest.raises(NotYetValid, match="keyset_not_yet_valid"):
        refused(scene, "issue", asked.message, scene.account)
    scene.clock.now_s = epoch.signs_until_s + LATE_S
    scene.received(asked)


def test_only_a_payer_withdraws_and_returns_and_only_a_vendor_deposits() -> None:
    scene = Scene()
    asked = scene.asked()
    pocket = scene.withdraw()
    paid, _ = scene.pay(pocket)
    giving = scene.payer.purse.give_back(pocket, scene.clock.at()).message
    tries: tuple[tuple[Operation, Json, Account], ...] = (
        ("issue", asked.message, vendor_account()),
        ("redeem", paid.payload, scene.account),
        ("take_back", giving, vendor_account()),
    )
    for operation, message, account in tries:
        with pytest.raises(Denied, match="wrong_kind_of_account"):
            refused(scene, operation, on_the_wire(message), account)


def test_all_but_withdrawals_bear_no_token() -> None:
    mint = Scene().broker.mint
    bearers: tuple[Json, ...] = (
        {"list": "current"},
        {"exchange": []},
        {"restore": []},
        {"spent": []},
    )
    for message in bearers:
        assert mint.is_bearer("issue", message)
    assert not mint.is_bearer("issue", {"outputs": []})
    assert not mint.is_bearer("issue", {"outputs": [], "list": "current"})
    assert not mint.is_bearer("take_back", {"coins": []})
    assert not mint.is_bearer("redeem", {"box": []})
    assert not mint.is_bearer("issue", [])


# --- exchanges, returns, restoring, proofs ----------------------------------------------------


def test_an_exchange_gives_what_it_takes_and_nothing_else() -> None:
    scene = Scene()
    pocket = scene.withdraw()
    header = exchange_header(BROKER)
    for exponents in ((), (9, 8), (9, 8, 7, 6, 5, 4, 3, 2)):
        message = {"exchange": boxed(scene, pocket, header, exponents=exponents)}
        with pytest.raises(Mismatch, match="coins_and_change_differ"):
            refused(scene, "issue", message, NOBODY)
    message = {"exchange": boxed(scene, pocket, header, exponents=(9, 8, 7, 6, 5, 3))}
    answer = run(scene, "issue", message, NOBODY)
    assert len(coins.unseal_answer(ANSWER_KEY, header, answer["signatures"])) == 6
    assert scene.micro("outstanding") == LOAD_MICRO
    with pytest.raises(Replayed, match="coin_spent"):
        refused(scene, "issue", message, NOBODY)
    with pytest.raises(Mismatch, match="box_for_something_else"):
        refused(scene, "take_back", {"coins": message["exchange"]}, scene.account)


def test_an_exchange_of_an_older_epochs_coins_moves_what_is_out() -> None:
    scene = Scene()
    old = scene.withdraw()
    scene.clock.now_s += EPOCH_S
    newer = pocket_of(scene.withdraw(1))
    mixed = msgspec.structs.replace(newer, coins=(), counters={}, number=50)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, 50)
    made, _ = slots(mixed.keysets, (9, 8, 7, 6, 5, 3), {})
    held = pocket_of(old)
    own = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    box = coins.Box(
        header=exchange_header(BROKER),
        answer_key=ANSWER_KEY,
        coins=tuple(coin_of(own, one.slot, one.signature) for one in held.coins),
        outputs=tuple(output_of(maker, mixed.keysets, slot) for slot in made),
    )
    texts = coins.seal(codec.unb64u(mixed.keysets.sealing), box, scene.clock.at().entropy)
    run(scene, "issue", {"exchange": texts}, NOBODY)
    epoch = epoch_at(NOW_S).number
    assert scene.broker.balances[f"outstanding/e{epoch}"] == 0
    assert scene.broker.balances[f"outstanding/e{epoch + 1}"] == LOAD_MICRO + 1


def test_what_is_returned_is_in_the_account_and_brings_no_outputs() -> None:
    scene = Scene()
    pocket = scene.withdraw()
    box = boxed(scene, pocket, return_header(BROKER), exponents=(0,))
    with pytest.raises(Mismatch, match="coins_and_change_differ"):
        refused(scene, "take_back", {"coins": box}, scene.account)
    run(scene, "take_back", scene.payer.purse.give_back(pocket, scene.clock.at()).message)
    assert scene.micro("payer") == 0
    assert scene.micro("outstanding") == 0


def test_signatures_that_were_given_are_given_again_and_no_others() -> None:
    scene = Scene()
    asked = scene.asked()
    unasked = scene.asked()
    answer = run(scene, "issue", asked.message)
    outputs = [asked.message["outputs"][0], unasked.message["outputs"][0]]
    found = run(scene, "issue", {"restore": outputs}, NOBODY)
    assert found["signatures"] == [answer["signatures"][0], ""]


def test_which_coins_are_spent_is_told_by_their_marks() -> None:
    scene = Scene()
    pocket = scene.withdraw(3)
    held = pocket_of(pocket)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    marks = [
        codec.b64u(mark_of(one.slot.id, coin_of(maker, one.slot, one.signature).serial))
        for one in held.coins
    ]
    scene.spend(pocket, 1)
    assert run(scene, "issue", {"spent": marks}, NOBODY) == {"spent": [False, True]}


def test_a_payer_can_prove_what_was_paid_and_that_nothing_was() -> None:
    scene = Scene()
    paid, offer = scene.pay(scene.withdraw())
    held = pocket_of(paid.spent)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    secret = payer_secret(maker, held.payments)
    signature = signing.sign(secret, codec.enc(PROOF_TAG, scene.clock.now_s))
    asked = {
        "atS": scene.clock.now_s,
        "payer": paid.payload["payer"],
        "proof": codec.b64u(signature),
    }
    assert run(scene, "issue", asked, NOBODY)["paid"] is None
    scene.deposit(paid, offer)
    told = run(scene, "issue", asked, NOBODY)
    assert told["paid"]["vendor"] == VENDOR
    assert told["paid"]["priceMicro"] == PRICE_MICRO
    assert told["paid"]["order"] == paid.payload["order"]
    said = {name: value for name, value in told.items() if name not in {"key", "sig"}}
    signing.verify(
        codec.unb64u(told["key"]),
        codec.enc(PROOF_TAG, codec.digest(said)),
        codec.unb64u(told["sig"]),
    )
    with pytest.raises(Forged):
        run(scene, "issue", asked | {"atS": scene.clock.now_s + 1}, NOBODY)
    scene.clock.now_s += DAY_S + 1
    with pytest.raises(Late, match="proof_too_old"):
        run(scene, "issue", asked, NOBODY)


def test_a_payment_that_was_reserved_and_is_void_leaves_what_is_out_as_it_was() -> None:
    scene = Scene()
    paid, _ = scene.pay(scene.withdraw(), 3)
    mint, at = scene.broker.mint, scene.clock.at()
    checked = mint.check("redeem", on_the_wire(paid.payload), vendor_account(), at)
    memory = scene.broker.read(mint.recall(checked))
    applied = mint.apply(checked, memory, at)
    shared = [one for one in applied.records if one.key.startswith(mint.shared)]
    assert shared
    between = {one.key: one.value for one in shared if isinstance(one, Put)}
    after = mint.put_back(applied, msgspec.structs.replace(memory, records=between), at)
    assert {one.key: one.value for one in after} == {
        key: scene.broker.records[key] for key in between
    }
