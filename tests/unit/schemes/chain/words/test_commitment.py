import hashlib

import msgspec
import pytest

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Forged, Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.credit.certificate import Certificate
from farthing.schemes.chain.payword import PaywordCommitment
from farthing.schemes.chain.words.commitment import CHAINS_MAX
from tests.kit.parties import DAY_S
from tests.kit.payword import CERTIFYING_SECRET, TODAY, Hand, Scene

SCENE = Scene()


COMMITMENT = Hand(SCENE.certificate, chains=((100, 50), (2500, 3))).commitment


CERTIFICATE = COMMITMENT.certificate


ROOT = COMMITMENT.chains[0][2]


def test_what_the_payer_signs_names_vendor_certificate_day_slots_and_chains() -> None:
    fields = (
        "farthing/payword/commitment/1", "news", CERTIFICATE.serial, CERTIFICATE.sig, TODAY,
        COMMITMENT.salt, 0, 1, *COMMITMENT.chains[0], *COMMITMENT.chains[1],
    )  # fmt: skip  # - the fields in their order
    assert COMMITMENT.signed() == codec.enc(*fields)
    assert COMMITMENT.id == codec.b64u(hashlib.sha256(codec.enc(*fields)).digest()[:16])
    COMMITMENT.verify()


@pytest.mark.parametrize(
    "changed",
    [
        {"vendor": "other"}, {"day": TODAY + 1}, {"salt": "A" * 22}, {"slots": (1, 1)},
        {"chains": ((100, 51, ROOT),)}, {"chains": ((101, 50, ROOT),)},
        {"chains": ((100, 50, "A" * 22),)}, {"chains": COMMITMENT.chains[:1]},
    ],
)  # fmt: skip  # - one field each
def test_a_commitment_changed_in_any_field_is_forged(changed: dict[str, str | int]) -> None:
    other = msgspec.structs.replace(COMMITMENT, **changed)
    assert other.id != COMMITMENT.id
    with pytest.raises(Forged, match="signature_wrong"):
        other.verify()


def test_a_commitment_does_not_fit_another_certificate() -> None:
    certificate = msgspec.structs.replace(CERTIFICATE, sig="A" * 86)
    with pytest.raises(Forged):
        msgspec.structs.replace(COMMITMENT, certificate=certificate).verify()


@pytest.mark.parametrize(
    "changed",
    [
        {"chains": ()}, {"chains": ((100, 1, ROOT), (100, 1, ROOT))},
        {"chains": ((200, 1, ROOT), (100, 1, ROOT))}, {"chains": ((0, 1, ROOT),)},
        {"chains": ((-1, 1, ROOT),)}, {"chains": ((PAYMENT_MICRO_MAX + 1, 1, ROOT),)},
        {"chains": ((1, 0, ROOT),)}, {"chains": ((1, chain.LENGTH_MAX + 1, ROOT),)},
        {"chains": tuple((n, 1, ROOT) for n in range(1, CHAINS_MAX + 2))},
        {"slots": (-1, 1)}, {"slots": (0, 0)}, {"slots": (0, 9)}, {"slots": (8, 1)},
        {"slots": (7, 2)}, {"day": -1}, {"day": 2**53 // DAY_S},
    ],
)  # fmt: skip  # - one field each
def test_a_commitment_cannot_exist_with_a_field_out_of_range(changed: dict[str, int]) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(COMMITMENT, **changed)


@pytest.mark.parametrize(
    "chains",
    [((1, chain.LENGTH_MAX, ROOT),), ((PAYMENT_MICRO_MAX, 1, ROOT),),
     tuple((n, 1, ROOT) for n in range(1, CHAINS_MAX + 1))],
)  # fmt: skip  # - one limit each
def test_a_commitment_exists_at_every_limit(chains: tuple[tuple[int, int, str], ...]) -> None:
    assert msgspec.structs.replace(COMMITMENT, chains=chains, slots=(0, 8)).chains == chains


def test_each_chain_of_each_commitment_has_its_own_counter() -> None:
    other = msgspec.structs.replace(COMMITMENT, day=TODAY + 1)
    ids = {one.counter_id(value) for one in (COMMITMENT, other) for value in (100, 2500)}
    assert len(ids) == 4


def test_the_structs_travel_in_camel_case() -> None:
    assert {"expiresAtS", "keyId", "limitMicro", "publicKey"} <= set(
        msgspec.to_builtins(CERTIFICATE)
    )
    for kind, value in ((Certificate, CERTIFICATE), (PaywordCommitment, COMMITMENT)):
        assert codec.Reader(kind).read(codec.canonical(value)) == value
    assert CERTIFYING_SECRET.hex() not in repr(COMMITMENT)
