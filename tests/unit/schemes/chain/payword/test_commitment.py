import hashlib

import msgspec
import pytest

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import Expired, Forged, NotYetValid, Overlimit, Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.payword.commitment import (
    CHAINS_MAX,
    LIMIT_MICRO_MAX,
    SLOTS,
    Certificate,
    Commitment,
    counter_id,
    require_day,
    require_vouched,
    verify_certificate,
    verify_commitment,
)
from tests.kit.parties import DAY_S, NOW_S
from tests.kit.payword import CERTIFYING_SECRET, SLOT_MICRO, TODAY, Hand, Scene, public_ring

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
    assert CERTIFICATE.signed() == codec.enc(*fields)
    verify_certificate(CERTIFICATE, public_ring(), NOW_S)


def test_what_the_payer_signs_names_vendor_certificate_day_slots_and_chains() -> None:
    fields = (
        "farthing/payword/commitment/1", "news", CERTIFICATE.serial, CERTIFICATE.sig, TODAY,
        COMMITMENT.salt, 0, 1, *COMMITMENT.chains[0], *COMMITMENT.chains[1],
    )  # fmt: skip  # - the fields in their order
    assert COMMITMENT.signed() == codec.enc(*fields)
    assert COMMITMENT.id == codec.b64u(hashlib.sha256(codec.enc(*fields)).digest()[:16])
    verify_commitment(COMMITMENT)


@pytest.mark.parametrize(
    "changed",
    [
        {"broker": "other"}, {"currency": "usd"}, {"expires_at_s": NOW_S + 1}, {"limit_micro": 1},
        {"payer": "p_other"}, {"public_key": "A" * 43}, {"serial": "p_other"},
    ],
)  # fmt: skip  # - one field each
def test_a_certificate_changed_in_any_field_is_forged(changed: dict[str, str | int]) -> None:
    with pytest.raises(Forged, match="signature_wrong"):
        verify_certificate(msgspec.structs.replace(CERTIFICATE, **changed), public_ring(), NOW_S)


def test_a_certificate_under_an_unknown_or_another_key_is_forged() -> None:
    other = msgspec.structs.replace(CERTIFICATE, key_id="2")
    with pytest.raises(Forged, match="certificate_key_unknown"):
        verify_certificate(other, public_ring(), NOW_S)
    sig = codec.b64u(signing.sign(bytes(32), CERTIFICATE.signed()))
    with pytest.raises(Forged, match="signature_wrong"):
        verify_certificate(msgspec.structs.replace(CERTIFICATE, sig=sig), public_ring(), NOW_S)


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
        verify_commitment(other)


def test_a_commitment_does_not_fit_another_certificate() -> None:
    certificate = msgspec.structs.replace(CERTIFICATE, sig="A" * 86)
    with pytest.raises(Forged):
        verify_commitment(msgspec.structs.replace(COMMITMENT, certificate=certificate))


@pytest.mark.parametrize(
    ("early_s", "refusal"),
    [(0, None), (120, None), (121, NotYetValid), (2 * DAY_S, NotYetValid)],
)
def test_a_day_begins_two_minutes_early(early_s: int, refusal: type[Exception] | None) -> None:
    now_s = TODAY * DAY_S - early_s
    if refusal is None:
        require_day(COMMITMENT, now_s)
    else:
        with pytest.raises(refusal, match="commitment_not_yet_valid"):
            require_day(COMMITMENT, now_s)


@pytest.mark.parametrize(
    ("late_s", "refusal"), [(0, None), (120, None), (121, Expired), (2 * DAY_S, Expired)]
)
def test_a_day_ends_two_minutes_late(late_s: int, refusal: type[Exception] | None) -> None:
    now_s = COMMITMENT.ends_at_s + late_s
    if refusal is None:
        require_day(COMMITMENT, now_s)
    else:
        with pytest.raises(refusal, match="commitment_expired"):
            require_day(COMMITMENT, now_s)


@pytest.mark.parametrize(
    ("late_s", "refusal"), [(0, None), (120, None), (121, Expired), (2 * DAY_S, Expired)]
)
def test_a_certificate_ends_two_minutes_late(late_s: int, refusal: type[Exception] | None) -> None:
    now_s = CERTIFICATE.expires_at_s + late_s
    if refusal is None:
        verify_certificate(CERTIFICATE, public_ring(), now_s)
    else:
        with pytest.raises(refusal, match="certificate_expired"):
            verify_certificate(CERTIFICATE, public_ring(), now_s)


def test_a_certificate_of_another_broker_or_currency_is_forged() -> None:
    require_vouched(COMMITMENT, "test-broker", "eur")
    for broker_id, currency in (("other", "eur"), ("test-broker", "usd")):
        with pytest.raises(Forged, match="certificate_of_another_broker"):
            require_vouched(COMMITMENT, broker_id, currency)


def test_a_commitment_is_worth_at_most_the_credit_of_its_slots() -> None:
    unit_micro, words = 100, SLOT_MICRO // 100
    verify_commitment(Hand(SCENE.certificate, chains=((unit_micro, words),)).commitment)
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        verify_commitment(Hand(SCENE.certificate, chains=((unit_micro, words + 1),)).commitment)
    with pytest.raises(Overlimit):
        verify_commitment(Hand(SCENE.certificate, chains=((100, words), (101, 1))).commitment)
    both = Hand(SCENE.certificate, chains=((100, 2 * words),), slots=(6, 2))
    verify_commitment(both.commitment)


def test_the_slots_together_are_never_worth_more_than_the_limit() -> None:
    for limit_micro in (1, 7, 8, 9, 1001, LIMIT_MICRO_MAX):
        certificate = msgspec.structs.replace(CERTIFICATE, limit_micro=limit_micro)
        single = msgspec.structs.replace(COMMITMENT, certificate=certificate, slots=(0, 1))
        whole = msgspec.structs.replace(single, slots=(0, SLOTS))
        assert SLOTS * single.share_micro <= whole.share_micro == limit_micro


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


def test_each_chain_of_each_commitment_has_its_own_counter() -> None:
    other = msgspec.structs.replace(COMMITMENT, day=TODAY + 1)
    ids = {counter_id(one.id, value) for one in (COMMITMENT, other) for value in (100, 2500)}
    assert len(ids) == 4


def test_the_structs_travel_in_camel_case() -> None:
    assert {"expiresAtS", "keyId", "limitMicro", "publicKey"} <= set(
        msgspec.to_builtins(CERTIFICATE)
    )
    for kind, value in ((Certificate, CERTIFICATE), (Commitment, COMMITMENT)):
        assert codec.Reader(kind).read(codec.canonical(value)) == value
    assert CERTIFYING_SECRET.hex() not in repr(COMMITMENT)


def test_a_day_is_any_that_can_be_told_in_seconds() -> None:
    last = codec.JSON_INT_MAX // DAY_S - 1
    for day in (0, last):
        assert msgspec.structs.replace(COMMITMENT, day=day).day == day
    for day in (-1, last + 1):
        with pytest.raises(Unfit, match="day_out_of_range"):
            msgspec.structs.replace(COMMITMENT, day=day)
