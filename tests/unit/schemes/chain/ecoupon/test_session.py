import msgspec
import pytest

from farthing import codec
from farthing.crypto import agreement, signing
from farthing.crypto.mac import mac
from farthing.errors import Forged, Unfit
from farthing.schemes.chain.counters import WORD_BYTES
from farthing.schemes.chain.ecoupon.session import (
    PAYMENT_TAG,
    PROOF_MAX,
    Start,
    begin_mac,
    bind,
    bound_of,
    payment_mac,
    session_key,
)
from tests.kit.canaries import canary
from tests.kit.ecoupon import Scene, coupons_of
from tests.kit.parties import binding_of


def started() -> tuple[Start, Scene, bytes]:
    scene = Scene()
    opened = scene.open()
    start = msgspec.convert(scene.payload(opened)["start"], Start)
    return start, scene, signing.public_of(codec.unb64u(coupons_of(opened).secret))


def test_both_sides_find_the_same_session_and_another_commitment_another() -> None:
    one, other = canary("one"), canary("other")
    public = agreement.public_of(one)
    key = session_key(one, agreement.public_of(other), public, "id")
    assert key == session_key(other, public, public, "id")
    assert key != session_key(other, public, public, "another id")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segments", (1, 1)),
        ("ephemeral", "A" * 43),
        ("vendor_key", "A" * 43),
        ("roots", ("A" * 22,)),
    ],
)
def test_every_field_of_a_start_is_authentic(name: str, value: object) -> None:
    scene = Scene()
    opened = scene.open()
    start = msgspec.convert(scene.payload(opened)["start"], Start)
    commitment = coupons_of(opened).commitment
    holder = codec.unb64u(commitment.certificate.public_key)
    start.verify(commitment, holder)
    with pytest.raises(Forged):
        msgspec.structs.replace(start, **{name: value}).verify(commitment, holder)


def test_a_start_of_another_key_is_forged() -> None:
    scene = Scene()
    opened = scene.open()
    start = msgspec.convert(scene.payload(opened)["start"], Start)
    with pytest.raises(Forged, match="signature_wrong"):
        start.verify(coupons_of(opened).commitment, signing.public_of(canary("phone")))


def test_a_start_has_the_root_of_each_of_its_segments() -> None:
    start, _, _ = started()
    for wrong in ({"roots": ()}, {"segments": (0, 1)}, {"segments": (1, 0)}, {"segments": (0, 64)}):
        with pytest.raises(Unfit):
            msgspec.structs.replace(start, **wrong)
    longest = msgspec.structs.replace(start, proof=("A" * 43,) * PROOF_MAX)
    assert len(longest.proof) == PROOF_MAX
    with pytest.raises(Unfit, match="roots_not_of_segments"):
        msgspec.structs.replace(start, proof=("A" * 43,) * (PROOF_MAX + 1))


def test_the_code_of_a_payment_is_of_its_request_and_its_words() -> None:
    key, links = canary("session"), [(0, 1, "A" * 22)]
    code = payment_mac(begin_mac(key, "id"), binding_of(), links)
    assert code == payment_mac(begin_mac(key, "id"), binding_of(k="another"), links)
    request = binding_of()
    fields = ("id", request.target, request.body_digest)
    assert code == mac(16, key, PAYMENT_TAG, *fields, *links[0])
    others = [
        payment_mac(begin_mac(canary("other"), "id"), binding_of(), links),
        payment_mac(begin_mac(key, "di"), binding_of(), links),
        payment_mac(begin_mac(key, "id"), binding_of(target="GET /articles/2"), links),
        payment_mac(
            begin_mac(key, "id"), msgspec.structs.replace(binding_of(), body_digest=b"x"), links
        ),
        payment_mac(begin_mac(key, "id"), binding_of(), [(0, 2, "A" * 22)]),
        payment_mac(begin_mac(key, "id"), binding_of(), [(1, 1, "A" * 22)]),
    ]
    assert code not in others


def test_what_a_segment_is_bound_to_is_read_as_it_was_written() -> None:
    start, scene, holder = started()
    commitment = coupons_of(scene.open()).commitment
    record = bind(commitment, start, 0, holder=holder, session=canary("session"), ends_at_s=7)
    assert record[:WORD_BYTES] == codec.unb64u(start.roots[0])
    again = bound_of(record[WORD_BYTES:])
    assert (again.session, again.public_key) == (canary("session"), holder)
    assert (again.length, again.ends_at_s, again.unit_micro) == (16, 7, 100)
    assert (again.span, again.payer) == (bytes(2), commitment.certificate.payer)
    assert "word" not in repr(again)
