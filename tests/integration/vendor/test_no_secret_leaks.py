"""A whole scenario with every log line and every answer kept, searched for every secret."""

import logging
from pathlib import Path

import httpx
import pytest

from farthing import codec
from farthing.errors import Refusal, Unavailable
from farthing.schemes.contract import At, Json
from farthing.schemes.mac.millicent.scrip import payer_secret
from farthing.vendor import app as apps
from farthing.vendor.asgi import Receive, Scope, Send
from farthing.wire.published import PRIVATE_PATH
from tests.kit import envelope
from tests.kit.canaries import spellings
from tests.kit.folder import PRICES, VENDOR, Folder
from tests.kit.page import answer_with
from tests.kit.site import Site, with_site

QUERY = "TEST-QUERY-CANARY"


class Grumpy:
    """A broker that refuses everything, and says so at length."""

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        raise Unavailable("broker_unreachable", "no answer from the broker")

    async def get(self, path: str) -> Json:
        raise Unavailable("broker_unreachable", "no answer from the broker")

    async def close(self) -> None:
        return


async def moody(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that fails in every way."""
    path = scope["path"]
    if path.endswith("raises"):
        raise RuntimeError("a bug in the application")
    if path.endswith("silent"):
        return
    status = 500 if path.endswith("fails") else 200
    await answer_with(b"the page", status=status)(scope, receive, send)


def secrets_of(folder: Folder) -> dict[str, bytes]:
    """Everything that nobody but its owner may see, the vendor's and the payer's."""
    found = {f"{key.purpose} {key.id}": key.secret for key in folder.keys if key.secret}
    for key in folder.keys:
        if key.purpose == "farthing/millicent/secret/1":
            payer = key.id + "00" * 6
            found["payer secret"] = payer_secret(key.secret, VENDOR, payer)
    assert len(found) > 5
    return found


def test_no_secret_stands_in_a_log_line_or_an_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "LOOK_EVERY_S", 0.0)
    prices = PRICES + 'clearing = "during"\n[millicent]\nprotocol = "private"\n'
    folder = Folder(tmp_path / "vendor", prices=prices)
    inside: list[str] = []
    heard: list[httpx.Response] = []
    sent: list[str] = []

    async def talk(site: Site) -> None:
        site.vendor.broker = Grumpy()  # type: ignore[assignment]  # a broker in memory
        monkeypatch.setattr(site, "_app", moody)
        async with site.client() as opened:
            for name in ("page", "raises", "silent", "fails"):
                path = f"/sold/{name}?q={QUERY}"
                asked = await opened.get(path)
                header = folder.pay(asked.headers["www-authenticate"], path)
                flipped = (header[0], header[1][:-9] + "AAAAAAAAA")
                sent.append(header[1].split()[1])
                heard.append(asked)
                for headers in ([flipped], [header], [header], [header, header]):
                    heard.append(await opened.get(path, headers=headers))
                heard.append(await opened.get(f"/sold/other?q={QUERY}", headers=[header]))
                inside.extend(await in_private(opened, folder, path, heard))
            heard.append(await opened.get("/.well-known/farthing-keys"))
            heard.append(await opened.get("/.well-known/farthing-prices"))
            heard.append(await opened.post("/.well-known/farthing/outcome", content=b"{"))
            order = codec.canonical({"nonce": "n", "scrip": {}, "sig": "0" * 32})
            mint = "/.well-known/farthing/take-back/millicent"
            heard.append(await opened.post(mint, content=order))
            (folder.path / "prices.toml").write_text("nonsense =")
            heard.append(await opened.get("/free"))
        for work in (site.vendor.clear, site.vendor.fetch_lists):
            with pytest.raises(Refusal) as refused:
                await work()
            logging.getLogger("farthing").error("refused: %s %r", refused.value, refused.value)

    with caplog.at_level(logging.DEBUG):
        with_site(folder, talk)
    assert {answer.status_code for answer in heard} >= {200, 400, 402, 403, 500, 502}
    lines = "\n".join(record.getMessage() + str(record.exc_text) for record in caplog.records)
    assert "the application failed" in lines
    answers = "\n".join(
        f"{answer.url.path} {answer.headers!r} {_decoded(answer)} {answer.text}" for answer in heard
    )
    assert sum("private_header_unsupported" in answer for answer in inside) == 4
    for name, secret in secrets_of(folder).items():
        for spelling in spellings(secret):
            assert spelling not in lines, name
            assert spelling not in answers, name
            assert not [answer for answer in inside if spelling in answer], name
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("http")
    )
    for word in ("TEST-TOKEN-CANARY", QUERY, *sent):
        assert word not in ours
    assert "TEST-TOKEN-CANARY" not in answers
    private = [answer for answer in heard if answer.url.path == PRIVATE_PATH]
    assert {answer.status_code for answer in private} == {200, 400}
    for answer in private:
        for word in (QUERY, "sold", "the page", "millicent", "private_header", "mc:"):
            assert word not in answer.text


async def in_private(
    opened: httpx.AsyncClient, folder: Folder, path: str, heard: list[httpx.Response]
) -> list[str]:
    """What the private door says of a page: to its payer, and to everybody."""
    paid = folder.seal(path)
    purse, piece, at = paid.purse, paid.instrument, At(now_s=1, entropy=b"e" * 64)
    odd = envelope.seal(purse, piece, b'{"method":"GET","pathQuery":"/","headers":[["x","y"]]}', at)
    found = []
    for sent in (paid, paid, odd):
        heard.append(await opened.post(PRIVATE_PATH, content=sent.raw))
        status, headers, body = sent.read(heard[-1].content)
        receipt = codec.unb64u(dict(headers).get("payment-receipt", ""))
        found.append(f"{status} {headers} {body!r} {receipt!r}")
    heard.append(await opened.post(PRIVATE_PATH, content=paid.raw[:-9] + b'AAAAAAA"}'))
    heard.append(await opened.post(PRIVATE_PATH, content=b"{"))
    return found


def _decoded(answer: httpx.Response) -> str:
    """What stands in the headers that are base64."""
    found = []
    for name in ("payment-receipt", "payment-required", "payment-response"):
        text = answer.headers.get(name, "")
        found.append(repr(codec.unb64u(text) if name == "payment-receipt" else codec.unb64(text)))
    return " ".join(found)
