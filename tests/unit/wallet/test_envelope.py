"""Sealed requests of a wallet, and what it makes of their answers."""

import pytest

from farthing.errors import BadRequest, Denied, TooLarge
from farthing.wallet.commands import Failed, Purchase, Request, Response, Sent
from farthing.wallet.envelope import carrier, enclose, opened, require_sealable
from farthing.wire import sealed
from farthing.wire.published import PRIVATE_PATH
from tests.kit import millicent
from tests.kit.flips import bit_flips
from tests.unit.wallet.farside import SITE

PAGE = Request(method="GET", url=SITE + "/a?q=1#top", headers=(("Accept", "text/html"),))


class Sealing:
    """A payer with a piece, and the vendor's till."""

    def __init__(self, page: Request = PAGE) -> None:
        scene = millicent.Scene(protocol="private")
        self.piece, self.purse = scene.buy(1000), scene.payer.purse
        self.till, self.at = scene.vendor.till, scene.clock.at()
        self.envelope = enclose(
            self.purse, self.piece, page, self.at, amount_micro=200, payload={"nonce": "n"}
        )

    def answer(self, plain: bytes) -> bytes:
        """The vendor's."""
        owner, inside = sealed.read_envelope(self.envelope)
        return sealed.write_sealed(self.till.seal_answer(owner, inside, plain, self.at))

    def read(self, answer: Sent) -> Sent:
        return opened(self.purse, self.piece, self.envelope, PAGE.url, answer)


def answered(body: bytes, status: int = 200) -> Response:
    return Response(status=status, url=SITE + PRIVATE_PATH, body=body)


def test_an_envelope_holds_the_whole_request() -> None:
    sealing = Sealing()
    asked = sealed.read_request(sealing.till.unseal(*sealed.read_envelope(sealing.envelope)))
    assert (asked.method, asked.path_query, asked.body) == ("GET", "/a?q=1", b"")
    assert asked.headers == (("accept", "text/html"),)
    assert (asked.amount_micro, asked.payload) == (200, b'{"nonce":"n"}')


def test_what_carries_it_is_the_same_for_every_page() -> None:
    sent = carrier(PAGE.url, b"{}")
    assert (sent.method, sent.url) == ("POST", SITE + PRIVATE_PATH)
    assert sent.headers == (("Content-Type", "application/json"),)
    with pytest.raises(Denied, match="site_not_secure"):
        carrier("http://news.example/a", b"{}")


def test_an_answer_is_read_as_if_it_came_from_the_page() -> None:
    sealing = Sealing()
    plain = sealed.write_answer(404, (("Content-Type", "text/html"),), b"gone")
    assert sealing.read(answered(sealing.answer(plain))) == Response(
        status=404, url=PAGE.url, headers=(("content-type", "text/html"),), body=b"gone"
    )


def test_an_answer_that_does_not_open_is_none() -> None:
    sealing = Sealing()
    good = sealing.answer(sealed.write_answer(200, (), b"the page"))
    other = Sealing(Request(method="GET", url=SITE + "/b"))
    old = other.answer(sealed.write_answer(200, (), b"an old page"))
    broken = [b"", b"{}", old, good[:-4] + b'AA"}', sealing.answer(b"no answer")]
    broken += [flip for flip in bit_flips(good[:40]) if flip != good[:40]]
    for body in broken:
        assert isinstance(sealing.read(answered(body)), Failed)


def test_what_is_not_sealed_stands_as_it_is() -> None:
    sealing = Sealing()
    for answer in (answered(b"{}", 400), answered(b"", 503), Failed(reason="ReadError")):
        assert sealing.read(answer) is answer


@pytest.mark.parametrize(
    "request_",
    [
        Request(method="BREW", url=PAGE.url),
        Request(method="GET", url=PAGE.url, headers=(("X-Api-Key", "k"),)),
        Request(method="GET", url=SITE + "/a b"),
    ],
)
def test_what_is_not_sent_in_private_is_refused_beforehand(request_: Request) -> None:
    with pytest.raises(BadRequest, match="private_"):
        require_sealable(request_)


def test_the_longest_body_leaves_room_for_the_payment() -> None:
    size_bytes = (sealed.PLAIN_BYTES_MAX - 4096) * 3 // 4 - 100
    body = b"x" * size_bytes
    sealing, post = Sealing(), Request(method="POST", url=PAGE.url, body=body)
    require_sealable(post)
    enclose(
        sealing.purse, sealing.piece, post, sealing.at, amount_micro=1, payload={"n": "x" * 4000}
    )
    with pytest.raises(TooLarge, match="private_message_too_large"):
        require_sealable(Request(method="POST", url=PAGE.url, body=body + b"x" * 200))


def test_an_enquiry_is_as_long_as_a_purchase() -> None:
    sealing = Sealing()
    asked = Request(method="POST", url=SITE + "/o", body=b'{"k":"v"}')
    assert len(enclose(sealing.purse, sealing.piece, asked, sealing.at)) == len(sealing.envelope)
    assert "envelope" not in repr(Purchase)
