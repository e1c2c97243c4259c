"""What a wallet remembers of how pages are sold, and for which pages it stands."""

import pytest

from farthing.schemes.contract import Offer
from farthing.wallet.known import ADDRESSES_MAX, KINDS_MAX, Known, Recall, Remember, kind_of
from farthing.wallet.messages import Request
from farthing.wire.offers import CHALLENGE_LIFE_S, Received

NOW_S = 1_800_000_000
SITE = "https://news.example"


def asking(path: str, method: str = "GET") -> Request:
    return Request(method=method, url=SITE + path)


def received(price_micro: int = 200) -> Received:
    offer = Offer(
        scheme="millicent",
        price_micro=price_micro,
        currency="eur",
        vendor_id="vendor-7",
        broker_id="demo-broker",
        broker_url="",
        settlement="final",
    )
    return Received(
        dialect="x402",
        offer=offer,
        realm="news.example",
        target="GET /a/1",
        expires_at_s=NOW_S + CHALLENGE_LIFE_S,
        echo={"accepted": {}, "extensions": {}},
    )


def recalled(known: Known, path: str, now_s: int = NOW_S) -> Received | None:
    return known.do(Recall(request=asking(path)), now_s)


def remember(known: Known, path: str, found: Received | None, now_s: int = NOW_S) -> None:
    known.do(Remember(request=asking(path), received=found), now_s)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/1", "/a/2"),
        ("/a/1?page=2", "/a/9"),
        ("/img/a.jpg", "/img/b.jpg"),
        ("/", "/index"),
    ],
)
def test_pages_of_one_kind_differ_in_the_stem_of_their_name(one: str, other: str) -> None:
    assert kind_of(asking(one)) == kind_of(asking(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asking("/a/1"), asking("/b/1")),
        (asking("/a/1"), asking("/a/b/1")),
        (asking("/a/1"), asking("/a/1.css")),
        (asking("/img/a.jpg"), asking("/img/a.png")),
        (asking("/a/1"), asking("/a/1", "POST")),
        (asking("/a/1"), Request(method="GET", url="https://other.example/a/1")),
        (asking("/a/1"), Request(method="GET", url="http://news.example/a/1")),
    ],
    ids=str,
)
def test_other_folders_suffixes_methods_and_sites_are_other_kinds(
    one: Request, other: Request
) -> None:
    assert kind_of(one) != kind_of(other)


def test_an_offer_is_known_until_it_ends() -> None:
    known = Known()
    assert recalled(known, "/a/2") is None
    remember(known, "/a/1", received())
    assert recalled(known, "/a/2") == received()
    assert recalled(known, "/a/3", NOW_S + CHALLENGE_LIFE_S) is None


def test_an_address_that_was_tried_is_asked_about_until_something_was_heard_of_it() -> None:
    known = Known()
    remember(known, "/a/1", received())
    assert recalled(known, "/a/2") is not None
    assert recalled(known, "/a/2") is None
    assert recalled(known, "/a/3") is not None
    remember(known, "/a/2", received())
    assert recalled(known, "/a/2") is not None


def test_where_redirects_are_followed_only_what_was_sold_itself_is_tried() -> None:
    known = Known()
    remember(known, "/a/1?page=1", received())
    for path, is_tried in (("/a/2", False), ("/a/1?page=2", True), ("/a/1", True)):
        found = known.do(Recall(request=asking(path), exact=True), NOW_S)
        assert (found is not None) is is_tried, path


def test_of_what_was_tried_the_oldest_is_forgotten() -> None:
    known = Known()
    remember(known, "/a/x", received())
    for number in range(ADDRESSES_MAX + 1):
        assert recalled(known, f"/a/{number}") is not None
    assert recalled(known, "/a/1") is None
    assert recalled(known, "/a/0") is not None


def test_after_a_wrong_guess_none_is_made_for_a_while() -> None:
    known = Known()
    remember(known, "/a/1", received())
    remember(known, "/a/2", None)
    assert recalled(known, "/a/1") is None
    remember(known, "/a/1", received(), NOW_S + 1)  # paid as it was asked
    assert recalled(known, "/a/3", NOW_S + 1) is None
    remember(known, "/a/1", received(300), NOW_S + CHALLENGE_LIFE_S)
    found = recalled(known, "/a/3", NOW_S + CHALLENGE_LIFE_S - 1)
    assert found is not None
    assert found.offer.price_micro == 300


def test_the_oldest_kinds_are_forgotten() -> None:
    known = Known()
    for number in range(KINDS_MAX + 1):
        remember(known, f"/{number}/page", received())
    assert recalled(known, "/0/page") is None
    assert recalled(known, "/1/page") is not None
    assert recalled(known, f"/{KINDS_MAX}/page") is not None
