from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing.errors import (
    BadRequest,
    Denied,
    Expired,
    HeaderTooLarge,
    Malformed,
    Mismatch,
    OutOfRange,
    Refusal,
    Unfunded,
    Unsupported,
)
from farthing.schemes.mac.millicent import MILLICENT
from farthing.wallet.choice import (
    asking_for,
    choose,
    is_paid,
    payable_to,
    place_of,
    read_offers,
    site_of,
)
from farthing.wallet.commands import Request, Response
from farthing.wallet.policy import Limits, Policy
from farthing.wire.offers import Received
from tests.unit.wallet.farside import BROKER, SITE
from tests.unit.wallet.world import World, get

STREAM = {"stream": {"unit": "seconds", "count": 1, "grace": 3}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def offers_of(world: World, path: str = "/a") -> tuple[Received, ...]:
    answer = world.site.handle(get(path))
    assert isinstance(answer, Response)
    return read_offers(answer, world.now_s())


def test_both_dialects_are_read_and_mpp_comes_first(world: World) -> None:
    choices = choose(world.guide(), get("/a"), offers_of(world), world.now_s())
    assert [choice.received.dialect for choice in choices] == ["mpp", "x402"]


def test_a_garbled_dialect_does_not_spoil_the_other(world: World) -> None:
    answer = world.site.handle(get("/a"))
    assert isinstance(answer, Response)
    headers = tuple(
        (name, "%%%" if name == "payment-required" else value) for name, value in answer.headers
    )
    garbled = msgspec.structs.replace(answer, headers=headers)
    assert [each.dialect for each in read_offers(garbled, world.now_s())] == ["mpp"]


def test_x402_is_not_read_where_an_offer_of_mpp_can_be_paid(world: World) -> None:
    answer = world.site.handle(get("/a"))
    assert isinstance(answer, Response)
    login = Request(method="GET", url=SITE + "/a", headers=(("Authorization", "Basic eA=="),))
    for request, dialects in ((get("/a"), ["mpp"]), (login, ["mpp", "x402"])):
        is_payable = payable_to(world.guide(), request, world.now_s())
        found = read_offers(answer, world.now_s(), is_payable)
        assert [each.dialect for each in found] == dialects


def test_offers_at_an_address_that_is_never_paid_are_no_reason_to_refuse_the_answer(
    world: World,
) -> None:
    answer = world.site.handle(get("/a"))
    assert isinstance(answer, Response)
    insecure = Request(method="GET", url="http://news.example/a")
    is_payable = payable_to(world.guide(), insecure, world.now_s())
    assert len(read_offers(answer, world.now_s(), is_payable)) == 2


def test_a_402_without_offers_of_ours_has_none() -> None:
    assert read_offers(Response(status=402, url=SITE), 0) == ()


def test_an_answer_head_over_the_limit_is_refused() -> None:
    answer = Response(status=402, url=SITE, headers=(("x", "a" * 40_000),))
    with pytest.raises(HeaderTooLarge, match="answer_headers_too_large"):
        read_offers(answer, 0)


@pytest.mark.parametrize(
    ("url", "site", "authority", "path_query"),
    [
        ("https://News.Example/a?b=c#d", "https://news.example", "news.example", "/a?b=c"),
        ("https://news.example:443", "https://news.example", "news.example", "/"),
        ("https://news.example:8443/", "https://news.example:8443", "news.example:8443", "/"),
        ("http://127.0.0.1:80/x", "http://127.0.0.1", "127.0.0.1", "/x"),
        ("http://[::1]:8402/x", "http://[::1]:8402", "[::1]:8402", "/x"),
        ("http://localhost:8402/x", "http://localhost:8402", "localhost:8402", "/x"),
    ],
)
def test_an_origin_is_read_from_its_url(
    url: str, site: str, authority: str, path_query: str
) -> None:
    place = place_of(url)
    assert (place.site, place.authority, place.path_query) == (site, authority, path_query)


@pytest.mark.parametrize(
    "url",
    [
        "http://news.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://10.0.0.1/",
        "ftp://127.0.0.1/",
    ],
)
def test_an_origin_that_is_not_secure_is_denied(url: str) -> None:
    with pytest.raises(Denied, match="site_not_secure"):
        place_of(url)


@pytest.mark.parametrize(
    ("authority", "site"),
    [
        ("news.example", "https://news.example"),
        ("News.Example:443", "https://news.example"),
        ("news.example:8443", "https://news.example:8443"),
        ("127.0.0.1:8402", "http://127.0.0.1:8402"),
        ("localhost", "http://localhost"),
    ],
)
def test_a_host_is_asked_over_https_except_on_this_machine(authority: str, site: str) -> None:
    assert site_of(authority) == site


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "https:///no-host", "https://news.example:port/", "https://[::1/", "a"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="url_malformed"):
        place_of(url)


@pytest.mark.parametrize(
    ("changes", "offer_changes", "kind", "code"),
    [
        ({"realm": "evil.example"}, {}, Mismatch, "offer_for_another_site"),
        ({"target": "GET /dear"}, {}, Mismatch, "offer_for_another_page"),
        ({"target": "POST /a"}, {}, Mismatch, "offer_for_another_page"),
        ({"body_digest": b"x" * 32}, {}, Mismatch, "offer_for_another_body"),
        ({"expires_at_s": 1_800_000_000}, {}, Expired, "offer_expired"),
        ({}, {"price_micro": 0}, OutOfRange, "price_out_of_range"),
        ({}, {"price_micro": 10**9 + 1}, OutOfRange, "price_out_of_range"),
        ({}, {"broker_id": "other"}, Unfunded, "broker_without_account"),
        ({}, {"vendor_id": BROKER}, Unsupported, "offer_of_a_broker"),
        ({}, {"currency": "usd"}, Mismatch, "offer_in_another_currency"),
        ({}, {"scheme": "payword"}, Unsupported, "scheme_not_spent_here"),
        ({}, {"intent": "session"}, Malformed, "payload_malformed"),
        ({}, {"intent": "session", "terms": STREAM}, Unsupported, "page_is_a_stream"),
        ({}, {"terms": STREAM}, Unsupported, "page_is_a_stream"),
        ({}, {"terms": {"stream": {}}}, Malformed, "payload_malformed"),
    ],
)
def test_an_offer_that_is_not_as_it_should_be_is_not_paid(
    world: World,
    changes: dict[str, object],
    offer_changes: dict[str, object],
    kind: type[Refusal],
    code: str,
) -> None:
    received = offers_of(world)[0]
    offer = msgspec.structs.replace(received.offer, **offer_changes)
    wrong = msgspec.structs.replace(received, offer=offer, **changes)
    with pytest.raises(kind, match=code):
        choose(world.guide(), get("/a"), (wrong,), world.now_s())


def test_a_wrong_offer_beside_a_right_one_is_passed_over(world: World) -> None:
    right = offers_of(world)[0]
    wrong = msgspec.structs.replace(right, realm="evil.example")
    choices = choose(world.guide(), get("/a"), (wrong, right), world.now_s())
    assert [choice.received for choice in choices] == [right]


def test_a_site_that_is_not_on_the_list_is_denied(world: World) -> None:
    world.limits = Limits(sites=("other.example",))
    with pytest.raises(Denied, match="site_not_allowed"):
        choose(world.guide(), get("/a"), offers_of(world), world.now_s())


def test_a_login_of_the_site_leaves_the_other_dialect(world: World) -> None:
    request = get("/a").with_header("Authorization", "Bearer of-the-site")
    choices = choose(world.guide(), request, offers_of(world), world.now_s())
    assert [choice.received.dialect for choice in choices] == ["x402"]


@pytest.mark.parametrize(
    ("name", "value", "paid"),
    [
        ("Authorization", "Payment abc", True),
        ("authorization", "payment abc", True),
        ("Authorization", "Bearer abc", False),
        ("Payment-Authorization", "Payment abc", True),
        ("PAYMENT-SIGNATURE", "abc", True),
        ("Accept", "text/html", False),
    ],
)
def test_a_payment_is_known_by_its_header(name: str, value: str, *, paid: bool) -> None:
    request = Request(method="GET", url=SITE, headers=((name, value),))
    assert is_paid(request) is paid


def test_a_purse_of_an_unknown_scheme_or_broker_is_refused(world: World) -> None:
    with pytest.raises(Unsupported, match="instrument_unusable"):
        world.guide().purse("payword", "demo-broker")
    with pytest.raises(Unsupported, match="instrument_unusable"):
        world.guide().purse("millicent", "other")


def test_a_site_that_offers_only_what_others_spend_is_told_what_is_wanted(world: World) -> None:
    guide, offers = world.guide(), offers_of(world)
    assert asking_for(guide, get("/a"), offers) is None, "one of these will do"
    of_others = tuple(
        msgspec.structs.replace(each, offer=msgspec.structs.replace(each.offer, scheme="other"))
        for each in offers
    )
    wanting = asking_for(guide, get("/a"), of_others)
    assert wanting is not None
    assert dict(wanting.headers)["accept-payment"].startswith(f"{next(iter(guide.schemes))}/*;q=")
    assert asking_for(guide, wanting, of_others) is None, "once"
    assert asking_for(guide, get("/a"), (*of_others, offers[0])) is None


def test_the_refusal_is_that_of_a_scheme_which_the_wallet_spends(world: World) -> None:
    offer = offers_of(world)[0]
    other = msgspec.structs.replace(
        offer, offer=msgspec.structs.replace(offer.offer, scheme="other")
    )
    late_s = world.now_s() + 10_000
    for offers in ((offer, other), (other, offer)):
        with pytest.raises(Expired):
            choose(world.guide(), get("/a"), offers, late_s)
    with pytest.raises(Unsupported, match="scheme_not_spent_here"):
        choose(world.guide(), get("/a"), (other,), late_s)


def test_a_stream_is_paid_by_vouchers_where_it_can_be(world: World) -> None:
    first = offers_of(world)[0]

    def sold(scheme: str, intent: str) -> Received:
        offer = msgspec.structs.replace(first.offer, scheme=scheme, intent=intent, terms=STREAM)
        return msgspec.structs.replace(first, offer=offer)

    offers = (sold("payword", "charge"), sold("tick", "session"), sold("millicent", "charge"))
    guide = msgspec.structs.replace(
        world.guide(), schemes=dict.fromkeys(("millicent", "payword", "tick"), MILLICENT)
    )
    chosen = choose(guide, get("/a"), offers, world.now_s(), wanted="stream")
    assert [choice.wish.scheme for choice in chosen] == ["tick", "millicent", "payword"]


def test_the_payer_says_by_what_and_in_which_order(world: World) -> None:
    first = offers_of(world)[0]
    names = ("millicent", "payword", "ecoupon")
    offers = tuple(
        msgspec.structs.replace(first, offer=msgspec.structs.replace(first.offer, scheme=name))
        for name in names
    )
    guide = msgspec.structs.replace(world.guide(), schemes=dict.fromkeys(names, MILLICENT))

    def paid_by(*named: str) -> list[str]:
        limits = msgspec.structs.replace(guide.policy.limits, schemes=named)
        asking = msgspec.structs.replace(guide, policy=Policy(limits))
        return [one.wish.scheme for one in choose(asking, get("/a"), offers, world.now_s())]

    assert paid_by() == list(names)
    assert paid_by("ecoupon", "millicent") == ["ecoupon", "millicent"]
    assert paid_by("ecoupon", "cashu") == ["ecoupon"], "this program has no other of them"
    with pytest.raises(Unsupported, match="scheme_not_spent_here") as refused:
        paid_by("netcash")
    assert "paid by millicent, payword, ecoupon, and" in refused.value.detail
    assert "nothing that this program has" in refused.value.detail


def test_a_site_that_did_not_offer_it_hears_what_is_wanted_and_is_paid(world: World) -> None:
    true = world.site.handle
    said: list[str] = []

    def handle(request: Request) -> Any:
        """Offers something else to who does not say what it wants."""
        answer = true(request)
        wish = dict(request.headers).get("accept-payment", "")
        said.append(wish)
        if isinstance(answer, Response) and answer.status == 402 and not wish:
            headers = tuple(
                (name, value.replace('method="millicent"', 'method="payword"'))
                for name, value in answer.headers
                if name.lower() == "www-authenticate"
            )
            return msgspec.structs.replace(answer, headers=headers)
        return answer

    world.site.handle = handle
    fetched = world.fetch("/a")
    assert isinstance(fetched.answer, Response)
    assert fetched.answer.status == 200
    assert said[0] == ""
    assert "millicent/*" in said[1]
    assert world.site.charges == [("/a", 200)]
    world.require_conserved()
