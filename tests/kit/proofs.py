"""A payer's proofs, and the keys with which anybody checks them."""

import msgspec

from farthing import codec
from farthing.schemes import attestations
from farthing.schemes.attestations import Attestation, KeyDocument
from farthing.schemes.contract import Account, Paid
from tests.kit.blind import Scene
from tests.kit.parties import BROKER, TARGET, on_the_wire

NOBODY = Account(id="", role="payer")


def proof_of(scene: Scene, paid: Paid) -> Attestation:
    at = scene.clock.at()
    asked = attestations.question(scene.payer.purse, paid, at)
    assert (asked.operation, asked.bearer) == ("issue", True)
    answer = on_the_wire(scene.broker.run("issue", asked.message, NOBODY).answer)
    return Attestation(answer=answer, body="", scheme=scene.coinage.name, target=TARGET)


def keys_of(scene: Scene) -> KeyDocument:
    """As the broker publishes them."""
    mint = scene.broker.mint
    ring = mint.setting.ring
    entries = [
        {"public": codec.b64u(ring.current(purpose).public), "purpose": purpose}
        for purpose in mint.signing
    ]
    document = {"broker": BROKER, "currency": "eur", "keys": entries}
    return msgspec.convert(document, KeyDocument)
