"""The broker says what was paid with a key: to who has it, and for anybody to check."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed, Mismatch, Refusal, Unsupported
from farthing.schemes import attestations, registry
from farthing.schemes.attestations import Attestation
from farthing.schemes.contract import Json
from tests.kit.blind import PRICE_MICRO, Scene
from tests.kit.parties import BROKER, TARGET, VENDOR
from tests.kit.proofs import keys_of, proof_of


def test_who_paid_can_show_it_and_before_that_nothing_was_paid() -> None:
    scene = Scene()
    paid, offer = scene.pay(scene.withdraw())
    before = attestations.verify(proof_of(scene, paid), keys_of(scene))
    assert before.paid is None
    scene.deposit(paid, offer)
    after = attestations.verify(proof_of(scene, paid), keys_of(scene))
    assert after.paid is not None
    assert (after.paid.vendor, after.paid.price_micro) == (VENDOR, PRICE_MICRO)
    assert (after.broker, after.target) == (BROKER, TARGET)
    assert after.payer == before.payer == paid.payload["payer"]


def change(proof: Attestation, **fields: Json) -> Attestation:
    return msgspec.structs.replace(proof, answer=proof.answer | fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"paid": None}, "signature_wrong"),
        ({"atS": 1}, "signature_wrong"),
        ({"payer": "A" * 43}, "signature_wrong"),
        ({"more": 1}, "signature_wrong"),
        ({"sig": "A" * 86}, "signature_wrong"),
        ({"sig": ""}, "field_size_wrong"),
        ({"key": "A" * 43}, "proof_key_unknown"),
        ({"broker": "another"}, "proof_of_another_broker"),
        ({"paid": 1}, "proof_malformed"),
    ],
)
def test_what_the_broker_did_not_say_is_refused(fields: dict[str, Json], code: str) -> None:
    scene = Scene()
    paid, offer = scene.pay(scene.withdraw())
    scene.deposit(paid, offer)
    proof, keys = proof_of(scene, paid), keys_of(scene)
    with pytest.raises(Refusal, match=code):
        attestations.verify(change(proof, **fields), keys)


def test_a_key_of_another_purpose_proves_nothing() -> None:
    scene = Scene()
    paid, _ = scene.pay(scene.withdraw())
    proof, keys = proof_of(scene, paid), keys_of(scene)
    others = tuple(msgspec.structs.replace(entry, purpose="other") for entry in keys.keys)
    with pytest.raises(Forged, match="proof_key_unknown"):
        attestations.verify(proof, msgspec.structs.replace(keys, keys=others))


def test_another_page_than_was_paid_for_is_refused() -> None:
    scene = Scene()
    paid, offer = scene.pay(scene.withdraw())
    scene.deposit(paid, offer)
    proof, keys = proof_of(scene, paid), keys_of(scene)
    for name, value in (("target", "GET /other"), ("body", "A" * 43)):
        with pytest.raises(Mismatch, match="proof_of_another_page"):
            attestations.verify(msgspec.structs.replace(proof, **{name: value}), keys)


def test_another_wallet_proves_nothing_with_the_same_pocket() -> None:
    scene = Scene()
    paid, offer = scene.pay(scene.withdraw())
    scene.deposit(paid, offer)
    scene.payer = scene.admit("eve")
    assert attestations.verify(proof_of(scene, paid), keys_of(scene)).paid is None


def test_schemes_without_a_key_for_each_payment_are_not_attested() -> None:
    scene = Scene()
    proof = proof_of(scene, scene.pay(scene.withdraw())[0])
    other = msgspec.structs.replace(proof, scheme="payword")
    with pytest.raises(Unsupported, match="proof_unsupported"):
        attestations.verify(other, keys_of(scene))
    stranger = registry.by_name("payword").purse(scene.payer.purse.setting)
    with pytest.raises(Unsupported, match="proof_unsupported"):
        attestations.question(stranger, scene.pay(scene.withdraw())[0], scene.clock.at())


def test_a_file_is_read_strictly() -> None:
    scene = Scene()
    proof = proof_of(scene, scene.pay(scene.withdraw())[0])
    assert attestations.READER.read(codec.canonical(proof)) == proof
    for raw in (b"", b"{}", b'{"scheme":"ecash"}'):
        with pytest.raises(Malformed):
            attestations.READER.read(raw)
