"""The broker: withdrawals, exchanges, returns, restoring, proofs."""

import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Denied,
    Forged,
    Late,
    Malformed,
    Mismatch,
    Replayed,
)
from farthing.schemes.coin.blind import boxes
from farthing.schemes.coin.blind.coinage import payer_secret, tag
from farthing.schemes.coin.blind.messages import exchange_header, return_header
from farthing.schemes.coin.deriving import maker_of
from farthing.schemes.coin.epochs import DAY_S
from farthing.schemes.contract import Account, Json, Key, Operation
from tests.kit.blind import (
    ANSWER_KEY,
    LOAD_MICRO,
    PRICE_MICRO,
    SCHEMES,
    Scene,
    boxed,
    pocket_of,
    refused,
    run,
)
from tests.kit.canaries import canary
from tests.kit.parties import BROKER, VENDOR, on_the_wire, vendor_account

NOBODY = Account(id="", role="payer")


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


def _unsealed(scene: Scene, header: bytes, answer: Json) -> list[bytes]:
    return boxes.unseal_answer(ANSWER_KEY, header, answer["signatures"], scene.coinage.blind_bytes)


# --- withdrawals ------------------------------------------------------------------------------


def test_the_account_pays_what_was_signed(scene: Scene) -> None:
    pocket = scene.withdraw()
    assert pocket.worth_micro == LOAD_MICRO
    assert scene.micro("payer") == -LOAD_MICRO
    assert scene.micro("outstanding") == LOAD_MICRO
    assert sum(1 << one.slot.exponent for one in pocket_of(pocket).coins) == LOAD_MICRO


def test_an_output_is_signed_once(scene: Scene) -> None:
    asked = scene.asked()
    scene.received(asked)
    with pytest.raises(Replayed, match="output_signed"):
        refused(scene, "issue", asked.message, scene.account)
    twice = {"outputs": [asked.message["outputs"][0]] * 2}
    with pytest.raises(Malformed, match=r"output_twice|outputs_repeated"):
        refused(scene, "issue", twice, scene.account)


def test_a_list_that_another_key_signs_is_the_same_list(scene: Scene) -> None:
    """The signer may be rotated while a withdrawal is on its way: no coin is lost for that."""
    asked = scene.asked()
    (purpose, _) = scene.mint.signing
    secret = canary("newer signer")
    scene.broker.ring.add(
        Key(id="2", purpose=purpose, secret=secret, public=signing.public_of(secret))
    )
    assert scene.received(asked).worth_micro == LOAD_MICRO


def test_keys_that_are_rotated_meanwhile_sign_what_was_asked_of_them(scene: Scene) -> None:
    asked = scene.asked(3)
    (purpose,) = scene.mint.sealing
    scene.broker.ring.add(Key(id="2", purpose=purpose, secret=canary("newer keys")))
    assert scene.received(asked).worth_micro == 3


def test_a_coin_is_blocked_for_longer_than_it_can_be_spent(scene: Scene) -> None:
    pocket = pocket_of(scene.withdraw())
    last_s = max(scene.coinage.ends_at_s(held.slot.period) for held in pocket.coins)
    assert scene.clock.now_s + scene.mint.listed_s > last_s


def test_only_a_payer_withdraws_and_returns_and_only_a_vendor_deposits(scene: Scene) -> None:
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


def test_all_but_withdrawals_bear_no_token(scene: Scene) -> None:
    mint = scene.mint
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


def test_an_exchange_gives_what_it_takes_and_nothing_else(scene: Scene) -> None:
    pocket = scene.withdraw()
    header = exchange_header(scene.coinage.name, BROKER)
    for exponents in ((), (9, 8), (9, 8, 7, 6, 5, 4, 3, 2)):
        message = {"exchange": boxed(scene, pocket, header, exponents=exponents)}
        with pytest.raises(Mismatch, match="coins_and_change_differ"):
            refused(scene, "issue", message, NOBODY)
    message = {"exchange": boxed(scene, pocket, header, exponents=(9, 8, 7, 6, 5, 3))}
    answer = run(scene, "issue", message, NOBODY)
    assert len(_unsealed(scene, header, answer)) == 6
    assert scene.micro("outstanding") == LOAD_MICRO
    with pytest.raises(Replayed, match="coin_spent"):
        refused(scene, "issue", message, NOBODY)
    with pytest.raises(Mismatch, match="box_for_something_else"):
        refused(scene, "take_back", {"coins": message["exchange"]}, scene.account)


def test_what_is_returned_is_in_the_account_and_brings_no_outputs(scene: Scene) -> None:
    pocket = scene.withdraw()
    box = boxed(scene, pocket, return_header(scene.coinage.name, BROKER), exponents=(0,))
    with pytest.raises(Mismatch, match="coins_and_change_differ"):
        refused(scene, "take_back", {"coins": box}, scene.account)
    run(scene, "take_back", scene.payer.purse.give_back(pocket, scene.clock.at()).message)
    assert scene.micro("payer") == 0
    assert scene.micro("outstanding") == 0


def test_signatures_that_were_given_are_given_again_and_no_others(scene: Scene) -> None:
    asked = scene.asked()
    unasked = scene.asked()
    answer = run(scene, "issue", asked.message)
    outputs = [asked.message["outputs"][0], unasked.message["outputs"][0]]
    found = run(scene, "issue", {"restore": outputs}, NOBODY)
    assert found["signatures"] == [answer["signatures"][0], ""]


def test_which_coins_are_spent_is_told_by_their_marks(scene: Scene) -> None:
    pocket = scene.withdraw(3)
    held = pocket_of(pocket)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    marks = [scene.coinage.mark(maker, one.slot, one.signature) for one in held.coins]
    scene.spend(pocket, 1)
    assert run(scene, "issue", {"spent": marks}, NOBODY) == {"spent": [False, True]}


def test_a_payer_can_prove_what_was_paid_and_that_nothing_was(scene: Scene) -> None:
    paid, offer = scene.pay(scene.withdraw())
    held = pocket_of(paid.spent)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    secret = payer_secret(scene.coinage, maker, held.payments)
    signature = signing.sign(secret, codec.enc(tag(scene.coinage.name, "proof"), scene.clock.now_s))
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
        codec.enc(tag(scene.coinage.name, "proof"), codec.digest(said)),
        codec.unb64u(told["sig"]),
    )
    with pytest.raises(Forged):
        run(scene, "issue", asked | {"atS": scene.clock.now_s + 1}, NOBODY)
    scene.clock.now_s += DAY_S + 1
    with pytest.raises(Late, match="proof_too_old"):
        run(scene, "issue", asked, NOBODY)
