"""Protocol B: what payer and vendor seal for each other, and what does not open."""

import pytest

from farthing import codec
from farthing.crypto.sealing import STEP_BYTES
from farthing.errors import Forged, Refusal, Unsupported, WrongPayer
from farthing.marks import NOTHING
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Binding, Paid
from farthing.schemes.mac.millicent.private import (
    p2v_key,
    seal_answer,
    seal_request,
    unseal_answer,
    unseal_request,
    v2p_key,
)
from tests.kit import millicent
from tests.kit.canaries import canary, draw
from tests.kit.flips import bit_flips
from tests.kit.parties import Ring, binding_of, on_the_wire, setting_of

SECRET, PAYER, VENDOR, NONCE = canary("secret"), b"\0\1payer!", "news", draw("nonce", 12)
REQUEST = seal_request(SECRET, VENDOR, PAYER, NONCE, b"a request")
ANSWER = seal_answer(SECRET, VENDOR, PAYER, REQUEST, NONCE, b"an answer")


def test_each_side_reads_what_the_other_sealed() -> None:
    assert unseal_request(SECRET, VENDOR, PAYER, REQUEST) == b"a request"
    assert unseal_answer(SECRET, VENDOR, PAYER, REQUEST, ANSWER) == b"an answer"


def test_every_direction_has_a_key_of_its_own() -> None:
    assert len({p2v_key(SECRET), v2p_key(SECRET), SECRET}) == 3
    with pytest.raises(Forged):
        unseal_request(SECRET, VENDOR, PAYER, ANSWER)
    with pytest.raises(Forged):
        unseal_answer(SECRET, VENDOR, PAYER, REQUEST, REQUEST)


@pytest.mark.parametrize("where", [("other", PAYER), (VENDOR, b"\0\2payer!")])
def test_a_seal_is_for_one_vendor_and_one_payer(where: tuple[str, bytes]) -> None:
    with pytest.raises(Forged, match="seal_broken"):
        unseal_request(SECRET, *where, REQUEST)
    with pytest.raises(Forged, match="seal_broken"):
        unseal_answer(SECRET, *where, REQUEST, ANSWER)


def test_an_answer_is_to_one_request() -> None:
    other = seal_request(SECRET, VENDOR, PAYER, draw("another nonce", 12), b"a request")
    with pytest.raises(Forged, match="seal_broken"):
        unseal_answer(SECRET, VENDOR, PAYER, other, ANSWER)


def test_no_bit_of_a_seal_can_be_turned() -> None:
    ends = (REQUEST[:40], REQUEST[-24:])
    for head in bit_flips(ends[0]):
        with pytest.raises(Forged):
            unseal_request(SECRET, VENDOR, PAYER, head + REQUEST[40:])
    for tail in bit_flips(ends[1]):
        with pytest.raises(Forged):
            unseal_request(SECRET, VENDOR, PAYER, REQUEST[:-24] + tail)
    for short in (b"", REQUEST[:11], REQUEST[:27], REQUEST[:-1], REQUEST + b"\0"):
        with pytest.raises(Forged):
            unseal_request(SECRET, VENDOR, PAYER, short)


def test_messages_of_one_step_have_one_length() -> None:
    sizes = {
        len(seal_request(SECRET, VENDOR, PAYER, NONCE, b"x" * size))
        for size in (0, 1, 200, STEP_BYTES - 4)
    }
    assert len(sizes) == 1
    longer = seal_request(SECRET, VENDOR, PAYER, NONCE, b"x" * (STEP_BYTES - 3))
    assert len(longer) == sizes.pop() + STEP_BYTES


# --- purse and till -----------------------------------------------------------------------------


def sealed_by(owner: bytes) -> Binding:
    """A request that came through the private door, under this payer's key."""
    return Binding(
        dialect="private", k="k", method="GET", host="", path_query="/1", target="", owner=owner
    )


def paid_in_private(scene: millicent.Scene) -> tuple[Paid, bytes]:
    piece = scene.buy(1000)
    paid = scene.payer.purse.pay(piece, scene.vendor.offer(200), sealed_by(b""), scene.clock.at())
    assert isinstance(paid, Paid)
    return paid, bytes.fromhex(millicent.held(piece).scrip.payer)


def take(scene: millicent.Scene, payload: object, binding: Binding) -> int:
    till = scene.vendor.till
    payment = till.read(codec.canonical(on_the_wire(payload)))
    taken = till.take(payment, scene.vendor.offer(200), binding, NOTHING, scene.clock.at())
    return taken.value_micro


def test_inside_a_seal_scrip_needs_no_signature_but_its_owner() -> None:
    scene = millicent.Scene(protocol="private")
    paid, owner = paid_in_private(scene)
    assert set(paid.payload) == {"nonce", "scrip"}
    assert take(scene, paid.payload, sealed_by(owner)) == 200
    for other in (b"", bytes(8), owner[:7], owner + b"\0"):
        with pytest.raises(WrongPayer, match="scrip_of_another_payer"):
            take(scene, paid.payload, sealed_by(other))


def test_outside_of_a_seal_scrip_is_signed_as_ever() -> None:
    scene = millicent.Scene(protocol="private")
    assert scene.vendor.offer(200).terms == {"protocol": "signed"}
    paid, owner = paid_in_private(scene)
    named = Binding(
        dialect="mpp", k="k", method="GET", host="", path_query="/", target="", owner=owner
    )
    for binding in (binding_of(), named):
        with pytest.raises(Forged, match="request_signature_wrong"):
            take(scene, paid.payload, binding)
    assert scene.payer.spend(scene.vendor, scene.buy(1000), 200) is not None


def test_two_tries_of_one_piece_are_two_payments() -> None:
    scene = millicent.Scene(protocol="private")
    piece, offer = scene.buy(1000), scene.vendor.offer(200)
    made = [scene.payer.purse.pay(piece, offer, sealed_by(b""), scene.clock.at()) for _ in range(2)]
    assert made[0] != made[1]


def test_a_conversation_in_private() -> None:
    scene = millicent.Scene(protocol="private")
    piece, at = scene.buy(1000), scene.clock.at()
    owner, inside = scene.payer.purse.seal_request(piece, b"one article, please", at)
    till = scene.vendor.till
    assert till.is_private
    assert till.unseal(owner, inside) == b"one article, please"
    answer = till.seal_answer(owner, inside, b"the article", scene.clock.at())
    assert scene.payer.purse.unseal_answer(piece, inside, answer) == b"the article"


@pytest.mark.parametrize("owner", [b"", b"\0\1", bytes(8), b"\0\1" + bytes(7), b"\xff" * 8])
def test_what_another_sealed_does_not_open(owner: bytes) -> None:
    scene = millicent.Scene(protocol="private")
    _, inside = scene.payer.purse.seal_request(scene.buy(1000), b"hello", scene.clock.at())
    with pytest.raises(Forged):
        scene.vendor.till.unseal(owner, inside)


def test_a_scheme_without_a_shared_key_is_not_private() -> None:
    purse, till = PAYWORD.purse(setting_of(Ring())), PAYWORD.till(setting_of(Ring()))
    piece, at = millicent.Scene().buy(1000), millicent.Scene().clock.at()
    assert not till.is_private
    tries = (
        lambda: purse.seal_request(piece, b"", at),
        lambda: purse.unseal_answer(piece, b"", b""),
        lambda: till.unseal(b"", b""),
        lambda: till.seal_answer(b"", b"", b"", at),
    )
    for attempt in tries:
        with pytest.raises(Refusal) as refused:
            attempt()
        assert isinstance(refused.value, Unsupported)


@pytest.mark.parametrize("owner", [b"\0\1", bytes(7), b"\0\1" + bytes(7)])
def test_an_owner_of_another_length_is_not_looked_up(owner: bytes) -> None:
    with pytest.raises(Forged, match="seal_broken"):
        millicent.Scene(protocol="private").vendor.till.unseal(owner, REQUEST)
