"""The code under an answer of protocol C."""

from farthing import codec
from farthing.crypto.mac import mac
from farthing.schemes.mac.millicent.reply import replier
from tests.kit.millicent import Scene

K_SIG, SIG, DIGEST = b"k" * 32, "ab" * 16, b"d" * 32


def test_the_code_is_that_of_the_formula() -> None:
    sign = replier(K_SIG, SIG)
    assert sign is not None
    expected = mac(16, K_SIG, "farthing/millicent/reply/1", SIG, "c1", DIGEST)
    assert sign({"cert": "c1"}, DIGEST) == expected
    assert sign({}, DIGEST) == sign(None, DIGEST), "whoever took the certificate out gains nothing"
    assert sign(None, DIGEST) == mac(16, K_SIG, "farthing/millicent/reply/1", SIG, "", DIGEST)


def test_every_part_of_it_counts() -> None:
    codes = set()
    for k_sig, request_sig, cert, digest in (
        (K_SIG, SIG, "c1", DIGEST),
        (b"x" * 32, SIG, "c1", DIGEST),
        (K_SIG, "cd" * 16, "c1", DIGEST),
        (K_SIG, SIG, "c2", DIGEST),
        (K_SIG, SIG, "c1", b"e" * 32),
    ):
        sign = replier(k_sig, request_sig)
        assert sign is not None
        codes.add(sign({"cert": cert}, digest))
    assert len(codes) == 5


def test_what_was_not_signed_is_not_answered_with_a_signature() -> None:
    assert replier(K_SIG, "") is None


def test_payer_and_vendor_make_the_same_code() -> None:
    scene = Scene()
    paid = scene.payer.pay(scene.buy(1000), scene.vendor.offer(200))
    till, purse = scene.vendor.till, scene.payer.purse
    vendors = till.replier(till.read(codec.canonical(paid.payload)))
    payers = purse.replier(paid)
    assert vendors is not None
    assert payers is not None
    assert vendors({"cert": "c"}, DIGEST) == payers({"cert": "c"}, DIGEST)
