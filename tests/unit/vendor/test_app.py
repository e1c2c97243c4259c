"""One vendor's process: its doors, free and sold paths, whom it trusts, its prices."""

import asyncio
import secrets
from pathlib import Path

import msgspec
import pytest

from farthing import codec
from farthing.errors import Misconfigured
from farthing.schemes.mac.millicent.scrip import LICENSED_SERIES, PAYER_RANGE
from farthing.stores.keys import KeyRing
from farthing.vendor import app as apps
from farthing.vendor import minting
from farthing.vendor.app import Vendor
from farthing.vendor.endpoints import BODY_BYTES_MAX
from farthing.vendor.founding import LOOK_EVERY_S
from farthing.wire.published import PRIVATE_PATH
from farthing.wire.sealed import ENVELOPE_BYTES_MAX
from tests.kit.folder import PRICE_MICRO, PRICES, Folder
from tests.kit.site import FAR, Site, with_site

OUTCOME = "/.well-known/farthing/outcome"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "vendor")


def test_free_is_free_and_sold_is_sold(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            assert (await opened.get("/free")).text == "the page"
            assert (await opened.get("/sold/page")).status_code == 402
            assert (await site.buy(opened)).text == "the page"

    with_site(folder, talk)
    assert folder.earned_micro() == PRICE_MICRO


def test_a_free_page_hears_no_payment_and_no_word_of_ours(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        headers = {"X-Pay-Payer": "mallory", "Authorization": "Payment abc", "X-Cashu": "abc"}
        async with site.client() as opened:
            await opened.get("/free", headers=headers)
        names = {name for name, _ in site.seen[0]["headers"]}
        assert names.isdisjoint({b"x-pay-payer", b"authorization", b"x-cashu"})

    with_site(folder, talk)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("get", "/sold/page", "method_malformed"),
        ("GET", "/free/%2e%2e/sold/page", "path_ambiguous"),
        ("GET", "/free%5c..%5csold/page", "path_ambiguous"),
        ("GET", "//free/sold/page", "path_ambiguous"),
    ],
)
def test_a_request_that_sites_read_in_several_ways_is_refused(
    folder: Folder, method: str, path: str, code: str
) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            request = opened.build_request("GET", "https://news.example" + path)
            request.method = method
            answer = await opened.send(request)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert not site.seen

    with_site(folder, talk)


@pytest.mark.parametrize("method", ["OPTIONS", "BREW", "TRACE"])
def test_of_what_is_sold_a_method_without_a_price_gets_no_body(folder: Folder, method: str) -> None:
    """Some sites send the page whatever the method is."""

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            sold = await opened.request(method, "/sold/page")
            free = await opened.request(method, "/free")
        assert (sold.status_code, sold.content, sold.headers["content-length"]) == (200, b"", "0")
        assert free.text == "the page"
        assert [scope["method"] for scope in site.seen] == [method, method]

    with_site(folder, talk)


def test_the_site_hears_no_other_path_or_method_than_was_priced(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        headers = {"X-Original-URL": "/sold/page", "X-Rewrite-Url": "/sold/page", "X-Own": "yes"}
        headers |= {"X-HTTP-Method-Override": "GET", "X_Method_Override": "GET"}
        async with site.client() as opened:
            await opened.post("/free", headers=headers)
        names = {name for name, _ in site.seen[0]["headers"] if name[:2] in {b"x-", b"x_"}}
        assert names == {b"x-own"}

    with_site(folder, talk)


# --- doors --------------------------------------------------------------------------------------


def test_keys_and_prices_are_public(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            keys = (await opened.get("/.well-known/farthing-keys")).json()
            prices = (await opened.get("/.well-known/farthing-prices")).json()
            head = await opened.head("/.well-known/farthing-keys")
        assert keys["vendor"] == prices["vendor"] == "gazette"
        assert (head.status_code, head.content) == (200, b"")

    with_site(folder, talk)


def test_what_is_no_door_of_ours_is_the_sites(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            for path in ("/.well-known/farthing-other", "/.well-known/security.txt", OUTCOME):
                assert (await opened.get(path)).text == "the page"
            assert (await opened.post("/.well-known/farthing-keys")).text == "the page"

    with_site(folder, talk)


def test_the_outcome_of_a_payment_is_told_to_who_shows_it(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            asked = await opened.get("/sold/page")
            header = folder.pay(asked.headers["www-authenticate"], "/sold/page")
            sent = msgspec.json.decode(codec.unb64u(header[1].split()[1]))
            question = {"k": sent["challenge"]["id"], "payload": sent["payload"]}
            before = await opened.post(OUTCOME, json=question)
            paid = await opened.get("/sold/page", headers=[header])
            after = await opened.post(OUTCOME, json=question)
        assert (before.status_code, before.json()["code"]) == (404, "outcome_absent")
        assert after.json()["state"] == "confirmed"
        receipt = codec.unb64u(paid.headers["payment-receipt"])
        assert after.json()["receipt"] == msgspec.json.decode(receipt)

    with_site(folder, talk)


def test_a_piece_is_burned_at_the_vendors_mint(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        order = codec.canonical({"no": "order"})
        async with site.client() as opened:
            answer = await opened.post("/.well-known/farthing/take-back/millicent", content=order)
            other = await opened.post("/.well-known/farthing/take-back/barter", content=order)
        assert answer.status_code in {400, 403}
        assert other.json()["code"] == "operation_unsupported"

    with_site(folder, talk)


@pytest.mark.parametrize(("size_bytes", "code"), [(0, "question_malformed"), (1, "too_large")])
def test_a_message_to_a_door_is_bounded(folder: Folder, size_bytes: int, code: str) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            answer = await opened.post(OUTCOME, content=b" " * (BODY_BYTES_MAX + size_bytes))
        assert answer.json()["code"] == code
        assert answer.status_code == (413 if size_bytes else 400)

    with_site(folder, talk)


# --- who is private, who is trusted -------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "client", "is_sold"),
    [
        ("https://news.example", FAR, True),
        ("http://news.example", FAR, False),
        ("http://127.0.0.1:8402", ("127.0.0.1", 5), True),
        ("http://news.example", ("::1", 5), True),
    ],
)
def test_nothing_is_sold_in_the_open(
    folder: Folder,
    url: str,
    client: tuple[str, int],
    is_sold: bool,  # noqa: FBT001 - a table
) -> None:
    async def talk(site: Site) -> None:
        async with site.client(url, client) as opened:
            answer = await opened.get("/sold/page")
            question = await opened.post(OUTCOME, json={"k": "k", "payload": {}})
            assert (await opened.get("/free")).text == "the page"
        assert answer.status_code == (402 if is_sold else 400)
        assert question.status_code == (404 if is_sold else 400)
        if not is_sold:
            assert answer.json()["code"] == question.json()["code"] == "https_required"

    with_site(folder, talk)


def test_behind_a_trusted_terminator_realm_and_scheme_are_the_payers(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "vendor", proxies=("10.0.0.0/8",))
    told = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.example"}
    told["x-forwarded-for"] = "203.0.113.9"

    async def talk(site: Site) -> None:
        async with site.client("http://gate.internal", ("10.1.2.3", 5)) as opened:
            asked = await opened.get("/sold/page", headers=told)
            assert 'realm="shop.example"' in asked.headers["www-authenticate"]
            header = folder.pay(asked.headers["www-authenticate"], "/sold/page")
            assert (await opened.get("/sold/page", headers=[header, *told.items()])).is_success
            malformed = await opened.get("/free", headers={"x-forwarded-proto": "gopher"})
            assert malformed.status_code == 400
        assert site.seen[0]["scheme"] == "https"
        assert site.seen[0]["client"][0] == "203.0.113.9"
        async with site.client("http://gate.internal", FAR) as opened:
            assert (await opened.get("/sold/page", headers=told)).status_code == 400

    with_site(folder, talk)


def test_the_private_door_sells_sealed_pages(folder: Folder) -> None:
    (folder.path / "prices.toml").write_text(PRICES + '[millicent]\nprotocol = "private"\n')

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            sent = folder.seal("/sold/page?q=1", headers=(("accept", "text/html"),))
            answers = [await opened.post(PRIVATE_PATH, content=sent.raw) for _ in range(2)]
            refused = await opened.post(PRIVATE_PATH, content=sent.raw[1:])
            long = await opened.post(PRIVATE_PATH, content=b" " * (ENVELOPE_BYTES_MAX + 1))
            listed = (await opened.get("/.well-known/farthing-prices")).json()
        async with site.client("http://news.example") as opened:
            in_the_open = await opened.post(PRIVATE_PATH, content=sent.raw)
        for answer in answers:
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            status, headers, body = sent.read(answer.content)
            assert (status, body) == (200, b"the page")
            assert "payment-receipt" in dict(headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "envelope_refused")
        assert (long.status_code, long.json()["code"]) == (413, "too_large")
        assert (in_the_open.status_code, in_the_open.json()["code"]) == (400, "https_required")
        assert listed["private"] == ["millicent"]
        seen = dict(site.seen[0]["headers"])
        assert (site.seen[0]["method"], site.seen[0]["query_string"]) == ("GET", b"q=1")
        assert (seen[b"accept"], seen[b"host"]) == (b"text/html", b"news.example")
        assert b"content-length" not in seen
        assert seen[b"x-pay-amount"] == b"200"

    with_site(folder, talk)
    assert folder.earned_micro() == PRICE_MICRO


def test_a_private_door_that_is_shut_says_so(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            answer = await opened.post(PRIVATE_PATH, content=folder.seal("/sold/page").raw)
            assert (answer.status_code, answer.json()["code"]) == (400, "private_unsupported")
            assert (await opened.get(PRIVATE_PATH)).text == "the page"

    with_site(folder, talk)


# --- configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("vendor.json", "{", "vendor_malformed"),
        ("vendor.json", '{"vendor_id": 1}', "vendor_malformed"),
        ("prices.toml", "[[route]]\npath = 1", "prices_malformed"),
        ("prices.toml", PRICES + 'clearing = "before"\nhold = false', "hold_needed"),
        ("prices.toml", PRICES + 'accept = ["payword"]\nprice="150u"', "prices_not_toml"),
        ("prices.toml", PRICES + '[millicent]\nprotocol = "open"', "protocol_unknown"),
        ("prices.toml", PRICES + "[millicent]\nrenew_fee_e4 = 10000", "fee_out_of_range"),
        ("prices.toml", PRICES + "[payword]\nprotocol = 1", "option_unknown"),
    ],
)
def test_a_folder_that_cannot_work_is_refused_at_the_start(
    folder: Folder, name: str, text: str, code: str
) -> None:
    (folder.path / name).write_text(text)
    with pytest.raises(Misconfigured, match=code):
        Vendor(folder.path)


def test_a_folder_that_is_no_vendors_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="vendor_not_initialised") as refused:
        Vendor(tmp_path)
    assert "farthing vendor init" in refused.value.detail


def test_a_scheme_that_cannot_express_a_price_is_not_offered_there(folder: Folder) -> None:
    odd = '[[route]]\npath = "/odd"\nprice = "250u"\n'
    (folder.path / "prices.toml").write_text('accept = ["millicent", "payword"]\n' + odd)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            offers = (await opened.get("/odd")).headers.get_list("www-authenticate")
        assert len(offers) == 1
        assert 'method="millicent"' in offers[0]

    with_site(folder, talk)


def test_what_another_process_minted_in_a_new_series_pays_at_once(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before this one has looked for new keys: else the payer sets good scrip aside."""
    monkeypatch.setattr(apps, "LOOK_EVERY_S", 3_600.0)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            challenge = (await opened.get("/sold/page")).headers["www-authenticate"]
            other = KeyRing.open(folder.path / "ring")
            made = minting.rotate(other, LICENSED_SERIES, secrets.token_bytes(32))
            folder.keys = [made, *(k for k in folder.keys if k.purpose != LICENSED_SERIES)]
            name, value = folder.pay(challenge, "/sold/page")
            assert (await opened.get("/sold/page", headers={name: value})).status_code == 200

    with_site(folder, talk)


def test_new_prices_come_into_force_without_a_restart(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(apps, "LOOK_EVERY_S", 0.0)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            assert (await opened.get("/free")).status_code == 200
            (folder.path / "prices.toml").write_text(PRICES.replace("/sold/**", "/**"))
            assert (await opened.get("/free")).status_code == 402
            (folder.path / "prices.toml").write_text("nonsense =")
            assert (await opened.get("/free")).status_code == 402
        assert "prices left as they were" in caplog.text

    with_site(folder, talk)


def test_new_options_come_into_force_without_a_restart(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(apps, "LOOK_EVERY_S", 0.0)
    path, wanted = folder.path / "prices.toml", "/sold/page"

    async def talk(site: Site) -> None:
        async with site.client() as opened:

            async def payload() -> dict[str, object]:
                asked = await opened.get(wanted)
                header = folder.pay(asked.headers["www-authenticate"], wanted)
                assert (await opened.get(wanted, headers=[header])).text == "the page"
                sent: dict[str, dict[str, object]] = msgspec.json.decode(
                    codec.unb64u(header[1].split()[1])
                )
                return sent["payload"]

            assert "sig" in await payload()
            path.write_text(PRICES + '[millicent]\nprotocol = "clear"\n')
            assert list(await payload()) == ["scrip"]
            path.write_text(PRICES + '[millicent]\nprotocol = "loud"\n')
            assert list(await payload()) == ["scrip"]
        line = len(PRICES.splitlines()) + 2
        assert f"prices.toml, line {line}: protocol is one of" in caplog.text

    with_site(folder, talk)
    assert folder.earned_micro() == 3 * PRICE_MICRO


def test_a_payer_range_that_is_revoked_is_refused_within_a_second(folder: Folder) -> None:
    """Tills keep what they derive from a range, and forget it when the ring has changed."""
    payers = folder.key(PAYER_RANGE)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            for _ in range(2):
                assert (await site.buy(opened)).text == "the page"
            KeyRing.open(folder.path / "ring").revoke(PAYER_RANGE, payers.id)
            await asyncio.sleep(LOOK_EVERY_S)
            refused = await site.buy(opened)
        assert refused.status_code == 402
        assert refused.json()["code"] == "payer_range_unknown"

    with_site(folder, talk)
    assert folder.earned_micro() == 2 * PRICE_MICRO
