"""Whose word is taken for scheme, host and address."""

from typing import Any

import pytest

from farthing.errors import BadRequest, Misconfigured
from farthing.vendor.asgi import request_of
from farthing.wire.peers import PROXIES_MAX, Peers, address_of, is_local

TRUSTED = ("10.0.0.0/24", "192.0.2.7", "2001:db8::/32")
FORWARDED = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "news.example",
    "x-forwarded-for": "203.0.113.9",
}


def scope_of(client: str | None, **headers: str) -> dict[str, Any]:
    pairs = {"host": "gate.internal"} | headers
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "client": (client, 1) if client is not None else None,
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }


@pytest.mark.parametrize("client", ["10.0.0.1", "192.0.2.7", "2001:db8::5", "::ffff:10.0.0.9"])
def test_a_trusted_proxy_speaks_for_its_payer(client: str) -> None:
    request = request_of(Peers(TRUSTED).seen(scope_of(client, **FORWARDED)))
    assert (request.scheme, request.host, request.secure) == ("https", "news.example", True)


@pytest.mark.parametrize("client", ["10.0.1.1", "203.0.113.9", "127.0.0.1", "::1", None])
def test_nobody_else_does(client: str | None) -> None:
    scope = scope_of(client, **FORWARDED)
    assert Peers(TRUSTED).seen(scope) is scope
    assert Peers(()).seen(scope) is scope


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db9:1:2:3:4:5:6", "2001:db9:1:2::/64"),
        ("2001:db9:1:2:ffff::", "2001:db9:1:2::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("10.0.0.7", ""),  # a proxy of ours that names nobody
        (None, ""),
    ],
)
def test_an_address_is_counted_as_its_network(client: str | None, network: str) -> None:
    assert Peers(TRUSTED).network_of(scope_of(client)) == network


def test_a_proxy_that_says_http_makes_nothing_private() -> None:
    peers = Peers(["127.0.0.1"])
    said = FORWARDED | {"x-forwarded-proto": "http"}
    assert not request_of(peers.seen(scope_of("127.0.0.1", **said))).secure
    silent = {"x-forwarded-for": "203.0.113.9"}
    assert not request_of(peers.seen(scope_of("127.0.0.1", **silent))).secure


@pytest.mark.parametrize(
    ("chain", "payer"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("1.1.1.1," * 100 + "203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_payer_is_the_last_address_that_is_no_proxy_of_ours(chain: str, payer: str) -> None:
    seen = Peers(TRUSTED).seen(scope_of("10.0.0.1", **FORWARDED | {"x-forwarded-for": chain}))
    assert str(address_of(seen)) == payer


def test_the_nearest_proxys_own_word_is_the_last() -> None:
    said = {"x-forwarded-proto": "http, https", "x-forwarded-host": "evil.example, news.example"}
    request = request_of(Peers(TRUSTED).seen(scope_of("10.0.0.1", **FORWARDED | said)))
    assert (request.scheme, request.host) == ("https", "news.example")


@pytest.mark.parametrize("said", [{"x-forwarded-proto": "gopher"}, {"x-forwarded-for": "unknown"}])
def test_what_a_proxy_cannot_mean_is_a_bad_request(said: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        Peers(TRUSTED).seen(scope_of("10.0.0.1", **FORWARDED | said))


@pytest.mark.parametrize("entry", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", ""])
def test_an_address_that_is_none_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(Misconfigured, match="trusted_proxy_malformed"):
        Peers([entry])


def test_too_many_addresses_are_refused_at_the_start() -> None:
    with pytest.raises(Misconfigured):
        Peers(["10.0.0.1"] * (PROXIES_MAX + 1))


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", None, ""])
def test_this_machine_is_local(client: str | None) -> None:
    assert is_local(scope_of(client))


@pytest.mark.parametrize("client", ["10.0.0.1", "::ffff:10.0.0.1", "203.0.113.9", "2001:db8::1"])
def test_no_other_machine_is(client: str) -> None:
    assert not is_local(scope_of(client))
