"""How often somebody may try without paying: by address, by kind, and all together."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from farthing.errors import Misconfigured, Throttled
from farthing.wire import published
from farthing.wire.attempts import (
    ADDRESSES_MAX,
    ATTEMPTS_PER_S_MAX,
    BURST_S,
    TOGETHER,
    Attempts,
    kind_at_gate,
    require_per_s,
)
from farthing.wire.peers import Peers
from tests.kit.folder import PRICE_MICRO, Folder
from tests.kit.site import Site, with_site

PER_S = 5
BURST = PER_S * BURST_S


class Counting:
    """Attempts, and a clock."""

    def __init__(self, per_s: int = PER_S) -> None:
        self.now_s = 1_000.0
        self.answers: dict[int, int] = {}
        self.attempts = Attempts(per_s, Peers(()), lambda: self.now_s, self.answers)

    def is_let_in(self, scope: dict[str, Any]) -> bool:
        """One attempt, counted if it was let in."""
        try:
            self.attempts.require(scope)
        except Throttled:
            return False
        self.attempts.count(scope)
        return True


def scope_of(client: str = "203.0.113.9", path: str = "/page", **headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"client": (client, 1), "path": path, "headers": pairs}


def test_an_address_has_its_seconds_at_once_and_then_so_many_a_second() -> None:
    found = Counting()
    assert [found.is_let_in(scope_of()) for _ in range(BURST + 3)] == [True] * BURST + [False] * 3
    assert found.answers == {429: 3}
    found.now_s += 1
    assert [found.is_let_in(scope_of()) for _ in range(PER_S + 1)] == [True] * PER_S + [False]
    found.now_s += BURST_S
    assert all(found.is_let_in(scope_of()) for _ in range(BURST))


def test_another_address_has_its_own() -> None:
    found = Counting()
    while found.is_let_in(scope_of()):
        pass
    assert found.is_let_in(scope_of("203.0.113.10"))
    assert found.is_let_in(scope_of("2001:db8::1"))


def test_who_asks_for_offers_all_day_hinders_no_payment() -> None:
    found = Counting()
    while found.is_let_in(scope_of()):
        pass
    assert found.is_let_in(scope_of(authorization="Payment abc"))
    assert found.is_let_in(scope_of(path=published.OUTCOME_PATH))
    assert not found.is_let_in(scope_of(authorization="Basic abc")), "a login of the site's own"


@pytest.mark.parametrize(
    ("path", "headers", "kind"),
    [
        ("/page", {}, "offer"),
        ("/page", {"authorization": "Bearer abc"}, "offer"),
        ("/page", {"authorization": "payment abc"}, "payment"),
        ("/page", {"payment-authorization": "Payment abc"}, "payment"),
        ("/page", {"payment-signature": "abc"}, "payment"),
        ("/page", {"x-cashu": "abc"}, "payment"),
        (published.OUTCOME_PATH, {}, "door"),
        (published.PRIVATE_PATH, {"payment-signature": "abc"}, "door"),
        (published.STREAMS_PATH + "abc", {}, "offer"),
        (published.STREAMS_PATH + "abc", {"payment-signature": "abc"}, "payment"),
    ],
)
def test_what_is_wanted_shows_at_a_look(path: str, headers: dict[str, str], kind: str) -> None:
    assert kind_at_gate(scope_of(path=path, **headers)) == kind


def test_all_together_have_no_more_than_a_process_bears() -> None:
    found = Counting()
    let_in = sum(
        found.is_let_in(scope_of(f"203.0.{high}.{low}")) for high in range(100) for low in range(50)
    )
    assert let_in == TOGETHER * BURST
    assert not found.is_let_in(scope_of("198.51.100.1"))


def test_who_is_forgotten_is_who_was_seen_longest_ago() -> None:
    found = Counting(10_000)
    flooding = scope_of("198.51.100.1")
    for number in range(ADDRESSES_MAX + 10):
        found.is_let_in(flooding)
        found.is_let_in(scope_of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    assert len(found.attempts._full_at_us) == ADDRESSES_MAX
    assert ("offer", "198.51.100.1") in found.attempts._full_at_us


@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_this_machines_own_programs_are_not_counted(client: str) -> None:
    found = Counting()
    assert all(found.is_let_in(scope_of(client)) for _ in range(2 * BURST))


def test_nobody_is_counted_where_the_vendor_says_so() -> None:
    found = Counting(per_s=0)
    assert all(found.is_let_in(scope_of()) for _ in range(2 * BURST))


def test_a_flood_is_told_to_wait_and_whoever_pays_is_served(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "vendor", attempts_per_s=1)

    async def talk(site: Site) -> None:
        async with site.client() as opened, site.client(client=("203.0.113.10", 1)) as other:
            asked = await opened.get("/sold/page")
            header = folder.pay(asked.headers["www-authenticate"], "/sold/page")
            statuses = [(await opened.get("/sold/page")).status_code for _ in range(30)]
            assert statuses[:19] == [402] * 19
            assert statuses[-5:] == [429] * 5, "a second may have passed, and not six"
            told = await opened.get("/sold/page")
            assert (told.json()["code"], told.headers["retry-after"]) == ("rate_limited", "5")
            assert (await opened.get("/free")).status_code == 200
            for _ in range(30):  # repeats of what is paid, which count for nothing
                assert (await opened.get("/sold/page", headers=[header])).text == "the page"
            assert (await site.buy(other)).text == "the page"

    with_site(folder, talk)
    assert folder.earned_micro() == 2 * PRICE_MICRO


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/sold/page", {"Authorization": "Payment abc"}),
        ("POST", published.OUTCOME_PATH, {}),
        ("POST", published.STREAMS_PATH + "abc?ticks=1", {}),
        ("POST", published.PRIVATE_PATH, {}),
        ("GET", "/sold//page", {"X-Long": "a" * 40_000}),
        ("GET", published.KEYS_PATH, {"X-Long": "a" * 40_000}),
        ("POST", published.OUTCOME_PATH, {"Content-Encoding": "gzip"}),
        ("POST", "/bound/page", {"Content-Length": "2000000"}),
        ("GET", published.PRICES_PATH, {}),
    ],
)
def test_every_kind_of_refusal_counts(
    tmp_path: Path, method: str, path: str, headers: dict[str, str]
) -> None:
    folder = Folder(tmp_path / "vendor", attempts_per_s=1)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            answers = [await opened.request(method, path, headers=headers) for _ in range(25)]
        expected = 200 if path == published.PRICES_PATH else 429
        assert answers[-1].status_code == expected

    with_site(folder, talk)


def test_what_the_site_refuses_is_no_attempt(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "vendor", attempts_per_s=1)

    async def talk(site: Site) -> None:
        async def missing(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"none"})

        site._app = missing  # type: ignore[method-assign]  # the site has no such page
        async with site.client(client=("203.0.113.10", 1)) as other:
            offers = [await other.get("/sold/page") for _ in range(5)]
        paid = [folder.pay(each.headers["www-authenticate"], "/sold/page") for each in offers]
        async with site.client() as opened:
            for _ in range(6):
                for header in paid:
                    answer = await opened.get("/sold/page", headers=[header])
                    assert answer.status_code == 404

    with_site(folder, talk)


@pytest.mark.parametrize(
    ("per_s", "is_right"),
    [
        (-1, False),
        (0, True),
        (1, True),
        (ATTEMPTS_PER_S_MAX, True),
        (ATTEMPTS_PER_S_MAX + 1, False),
    ],
)
def test_a_number_of_attempts_is_none_or_what_a_process_answers(
    per_s: int, *, is_right: bool
) -> None:
    with contextlib.nullcontext() if is_right else pytest.raises(Misconfigured):
        require_per_s(per_s)
