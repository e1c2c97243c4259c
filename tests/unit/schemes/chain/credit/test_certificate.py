import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, Forged, Unfit
from farthing.schemes.chain.credit.certificate import LIMIT_MICRO_MAX
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.payword import FAMILY
from tests.kit.parties import DAY_S, NOW_S
from tests.kit.payword import SLOT_MICRO, Hand, Scene, public_ring

SCENE = Scene()


COMMITMENT = Hand(SCENE.certificate, chains=((100, 50), (2500, 3))).commitment


CERTIFICATE = COMMITMENT.certificate


ROOT = COMMITMENT.chains[0][2]


def test_what_the_broker_signs_is_every_field_but_the_signature() -> None:
    fields = (
        "farthing/payword/certificate/1", "test-broker", "eur", CERTIFICATE.expires_at_s,
        CERTIFICATE.key_id, SLOTS * SLOT_MICRO, CERTIFICATE.payer, CERTIFICATE.public_key,
        CERTIFICATE.serial,
    )  # fmt: skip  # - the fields in their order
    assert CERTIFICATE.signed(FAMILY) == codec.enc(*fields)
    CERTIFICATE.verify(FAMILY, public_ring(), NOW_S)


@pytest.mark.parametrize(
    "changed",
    [
        {"broker": "other"}, {"currency": "usd"}, {"expires_at_s": NOW_S + 1}, {"limit_micro": 1},
        {"payer": "p_other"}, {"public_key": "A" * 43}, {"serial": "p_other"},
    ],
)  # fmt: skip  # - one field each
def test_a_certificate_changed_in_any_field_is_forged(changed: dict[str, str | int]) -> None:
    with pytest.raises(Forged, match="signature_wrong"):
        msgspec.structs.replace(CERTIFICATE, **changed).verify(FAMILY, public_ring(), NOW_S)


def test_a_certificate_under_an_unknown_or_another_key_is_forged() -> None:
    other = msgspec.structs.replace(CERTIFICATE, key_id="2")
    with pytest.raises(Forged, match="certificate_key_unknown"):
        other.verify(FAMILY, public_ring(), NOW_S)
    sig = codec.b64u(signing.sign(bytes(32), CERTIFICATE.signed(FAMILY)))
    with pytest.raises(Forged, match="signature_wrong"):
        msgspec.structs.replace(CERTIFICATE, sig=sig).verify(FAMILY, public_ring(), NOW_S)


@pytest.mark.parametrize(
    ("late_s", "refusal"), [(0, None), (120, None), (121, Expired), (2 * DAY_S, Expired)]
)
def test_a_certificate_ends_two_minutes_late(late_s: int, refusal: type[Exception] | None) -> None:
    now_s = CERTIFICATE.expires_at_s + late_s
    if refusal is None:
        CERTIFICATE.verify(FAMILY, public_ring(), now_s)
    else:
        with pytest.raises(refusal, match="certificate_expired"):
            CERTIFICATE.verify(FAMILY, public_ring(), now_s)


def test_a_certificate_of_another_broker_or_currency_is_forged() -> None:
    CERTIFICATE.require_of("test-broker", "eur")
    for broker_id, currency in (("other", "eur"), ("test-broker", "usd")):
        with pytest.raises(Forged, match="certificate_of_another_broker"):
            CERTIFICATE.require_of(broker_id, currency)


@pytest.mark.parametrize(
    "changed",
    [{"limit_micro": 0}, {"limit_micro": -1}, {"limit_micro": LIMIT_MICRO_MAX + 1},
     {"expires_at_s": 0}, {"expires_at_s": -1}, {"expires_at_s": 2**53}, {"expires_at_s": 2**64}],
)  # fmt: skip  # - one field each
def test_a_certificate_cannot_exist_with_a_field_out_of_range(changed: dict[str, int]) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(CERTIFICATE, **changed)


@pytest.mark.parametrize(
    "changed",
    [{"limit_micro": 1}, {"limit_micro": LIMIT_MICRO_MAX},
     {"expires_at_s": 1}, {"expires_at_s": 2**53 - 1}],
)  # fmt: skip  # - one limit each
def test_a_certificate_exists_at_every_limit(changed: dict[str, int]) -> None:
    made = msgspec.structs.replace(CERTIFICATE, **changed)
    assert changed.items() <= msgspec.structs.asdict(made).items()
