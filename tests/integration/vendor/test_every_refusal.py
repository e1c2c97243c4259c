"""Every refusal in the reference, provoked at a real gate: the table in docs/reference/http.md."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from farthing import codec
from farthing.cli import servers
from farthing.holding import AGAIN_S
from farthing.schemes.contract import Instrument
from farthing.schemes.mac.millicent.scrip import LICENSED_SERIES, mint_scrip
from farthing.vendor.booking import LEASE_GRACE_S
from farthing.vendor.gate import CHALLENGE_KEY
from farthing.vendor.prices import ORIGIN_TIMEOUT_S
from farthing.wire import mpp, x402, x402_entry
from farthing.wire.attempts import BURST_S
from farthing.wire.offers import Received, Tender, target_of
from farthing.wire.published import OUTCOME_PATH
from tests.kit import cashu
from tests.kit.folder import PRICES, Folder
from tests.kit.mute import MuteBroker
from tests.kit.origin import Origin

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "http.md"
ROW = re.compile(r"\| (.+?) \| (\d{3}) \| `(\w+)` \| `([\w-]+)` \| (new|same|never) \|")
STREET = (
    PRICES
    + """[[route]]
path = "/dear/**"
price = "5000u"
[[route]]
path = "/once/**"
price = "200u"
repeat_s = 0
[[route]]
path = "/before/**"
price = "200u"
clearing = "before"
[[route]]
path = "/coins/**"
price = "5c"
accept = ["cashu"]
[[route]]
path = "/chain/**"
price = "200u"
accept = ["payword"]
"""
)
KEY = ("Idempotency-Key", "order-1")
PROXY = ("127.0.0.1",)
FAR = (("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"))
Headers = list[tuple[str, str]]


class Row(NamedTuple):
    when: str
    status: int
    code: str
    type: str
    retry: str


ROWS = [Row(w, int(s), c, t, r) for w, s, c, t, r in ROW.findall(PAGE.read_text())]


class Street:
    """A payer before a gate."""

    def __init__(self, url: str, folder: Folder, broker: MuteBroker) -> None:
        self.folder, self.broker = folder, broker
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=20)
        self.realm = url.partition("//")[2]

    def get(self, path: str, *headers: tuple[str, str]) -> httpx.Response:
        return self.http.get(path, headers=list(headers))

    def offer(self, path: str = "/sold/page", method: str = "GET", **more: Any) -> httpx.Response:
        answer = self.http.request(method, path, **more)
        assert answer.status_code == 402, answer.text
        return answer

    def pay(self, path: str = "/sold/page", piece: Instrument | None = None) -> tuple[str, str]:
        return self.folder.pay(self.offer(path).headers["www-authenticate"], path, piece=piece)

    def coins(self, path: str, cents: int, mint: str = "") -> httpx.Response:
        """A page for a token that is of the broker's mint, unless another one is named."""
        mint = mint or f"{self.broker.url}/cashu/eur"
        return self.get(path, ("X-Cashu", cashu.claiming(cents, mint)))

    def received(self, path: str = "/sold/page") -> Received:
        return mpp.read_challenges([self.offer(path).headers["www-authenticate"]])[0]

    def with_payload(self, change: Callable[[Any], None]) -> httpx.Response:
        """A payment whose payload was changed on its way."""
        name, value = self.pay()
        message = msgspec.json.decode(codec.unb64u(value.split()[1]))
        change(message["payload"])
        return self.get("/sold/page", (name, "Payment " + codec.b64u(codec.canonical(message))))

    def accepting(self, change: Callable[[Any], None], *, price_micro: int = 0) -> httpx.Response:
        """An x402 payment for an entry that was changed; sealed anew where the price is another."""
        required = self.offer().headers["payment-required"]
        name, value = self.folder.pay_x402(required, "/sold/page")
        message = msgspec.json.decode(codec.unb64(value))
        if price_micro:
            received = x402.read_required(required, now_s=0)[0]
            offer = msgspec.structs.replace(received.offer, price_micro=price_micro)
            tender = self.tender(received, int(time.time()) - 1)
            key = self.folder.key(CHALLENGE_KEY)
            message["accepted"] = x402_entry.entry_of(tender, offer, key)
        change(message["accepted"])
        return self.get("/sold/page", (name, codec.b64(codec.canonical(message))))

    def tender(self, received: Received, expires_at_s: int) -> Tender:
        return Tender(
            offers=(received.offer,),
            realm=self.realm,
            url=f"http://{self.realm}/sold/page",
            target=target_of("GET", "/sold/page"),
            expires_at_s=expires_at_s,
        )

    def minted(self, **fields: Any) -> httpx.Response:
        """A payment with scrip that the vendor's own key has certified, but for these fields."""
        key = self.folder.key(LICENSED_SERIES)

        def change(payload: Any) -> None:
            scrip = payload["scrip"]
            made = {
                "vendor": scrip["vendor"],
                "currency": scrip["currency"],
                "value_micro": scrip["valueMicro"],
                "serial": scrip["serial"],
                "payer": scrip["payer"],
                "expires_at_s": scrip["expiresS"],
            }
            payload["scrip"] = msgspec.to_builtins(mint_scrip(key.secret, **{**made, **fields}))

        return self.with_payload(change)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    path, broker = tmp_path_factory.mktemp("street"), MuteBroker()
    folder = Folder(
        path / "vendor", prices=STREET, proxies=PROXY, broker_url=broker.url, attempts_per_s=2
    )
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    with Origin() as origin:
        arguments = ["vendor", "serve", "--upstream", origin.url, "--port", str(port)]
        command = servers.python("-m", "farthing.cli", *arguments)
        env = {"FARTHING_DATA": str(folder.path)}
        with servers.running(command, url=url + "/free/page", log=path / "log", env=env):
            street = Street(url, folder, broker)
            with street.http:
                yield street
    broker.close()


# --- how each is provoked -----------------------------------------------------------------------


def spent(street: Street) -> httpx.Response:
    piece = street.folder.piece()
    assert street.get("/sold/page", street.pay(piece=piece)).status_code == 200
    return street.get("/sold/page", street.pay(piece=piece))


def meanwhile(street: Street, *, again: bool) -> httpx.Response:
    """While a page hangs: its payment again, or another one with its piece."""
    piece = street.folder.piece()
    first, other = (street.pay("/sold/hangs", piece) for _ in range(2))
    hanging = threading.Thread(target=street.get, args=("/sold/hangs", first))
    hanging.start()
    time.sleep(0.5)
    answer = street.get("/sold/hangs", first if again else other)
    hanging.join()
    return answer


def repeated(street: Street) -> httpx.Response:
    header = street.pay("/once/page")
    assert street.get("/once/page", header).status_code == 200
    time.sleep(1.1)
    return street.get("/once/page", header)


def reused(street: Street) -> httpx.Response:
    header = street.pay()
    assert street.get("/sold/page", header).status_code == 200
    return street.get("/sold/page?other", header)


def keyed(street: Street) -> httpx.Response:
    piece = street.folder.piece()
    assert street.get("/sold/page", street.pay(piece=piece), KEY).status_code == 200
    return street.get("/sold/page", street.pay(piece=piece), KEY)


def short(street: Street) -> httpx.Response:
    received = street.received("/dear/page")
    cheap = msgspec.structs.replace(received.offer, price_micro=200)
    received = msgspec.structs.replace(received, offer=cheap)
    return street.get("/dear/page", street.folder._pay(received, "/dear/page", "GET"))


def over(street: Street) -> httpx.Response:
    received = street.received()
    value = mpp.challenge(
        street.tender(received, int(time.time()) - 1),
        received.offer,
        key=street.folder.key(CHALLENGE_KEY),
        nonce=bytes(8),
    )
    return street.get("/sold/page", street.folder.pay(value, "/sold/page"))


def released(street: Street) -> httpx.Response:
    required = street.offer("/sold/failing").headers["payment-required"]
    header = street.folder.pay_x402(required, "/sold/failing")
    assert street.get("/sold/failing", header).status_code == 500
    street.folder.let_pass(ORIGIN_TIMEOUT_S + LEASE_GRACE_S + AGAIN_S)
    return street.get("/sold/failing", header)


def unasked(street: Street) -> httpx.Response:
    name, value = street.pay()
    message = msgspec.json.decode(codec.unb64u(value.split()[1]))
    message["challenge"]["id"] = codec.b64u(bytes(32))
    return street.get("/sold/page", (name, "Payment " + codec.b64u(codec.canonical(message))))


def other_body(street: Street) -> httpx.Response:
    asked = street.offer("/bound/page", "POST", content=b"one")
    header = street.folder.pay(asked.headers["www-authenticate"], "/bound/page", "POST")
    return street.http.post("/bound/page", content=b"two", headers=[header])


def unknown_chain(street: Street) -> httpx.Response:
    word = codec.b64u(bytes(16))
    payload = {"commitment": word, "links": [[100, 2, word]]}
    header = mpp.authorization(street.received("/chain/page"), payload)
    return street.get("/chain/page", header)


def other_scheme(street: Street) -> httpx.Response:
    received = street.received()
    chained = street.received("/chain/page")
    value = mpp.challenge(
        msgspec.structs.replace(street.tender(received, int(time.time()) + 60)),
        chained.offer,
        key=street.folder.key(CHALLENGE_KEY),
        nonce=bytes(8),
    )
    header = mpp.authorization(mpp.read_challenges([value])[0], {})
    return street.get("/sold/page", header)


def silent(street: Street) -> httpx.Response:
    street.broker.open()
    return street.get("/before/page", street.pay("/before/page"))


def enquiry(street: Street) -> httpx.Response:
    return street.http.post(OUTCOME_PATH, json={"k": "none", "payload": {}})


def anothers(street: Street) -> httpx.Response:
    name, value = street.pay()
    assert street.get("/sold/page", (name, value)).status_code == 200
    message = msgspec.json.decode(codec.unb64u(value.split()[1]))
    k = message["challenge"]["id"]
    return street.http.post(OUTCOME_PATH, json={"k": k, "payload": {"guess": 1}})


def flipped(name: str) -> Callable[[Street], httpx.Response]:
    def change(payload: Any) -> None:
        part = payload["scrip"] if name == "cert" else payload
        part[name] = part[name][:-1] + ("0" if part[name][-1] != "0" else "1")

    return lambda street: street.with_payload(change)


def flooding(street: Street) -> httpx.Response:
    answers = [street.get("/sold/page", *FAR) for _ in range(4 * BURST_S)]
    assert answers[0].status_code == 402
    return answers[-1]


def setting(**members: Any) -> Callable[[Any], None]:
    return lambda entry: entry.update(members)


GARBAGE = ("Authorization", "Payment !!!")
PROVOKED: dict[str, Callable[[Street], httpx.Response]] = {
    "no payment": lambda s: s.get("/sold/page"),
    "a credential that is no base64url or JSON": lambda s: s.get("/sold/page", GARBAGE),
    "an x402 payment that is no base64 or JSON": lambda s: s.get(
        "/sold/page", ("PAYMENT-SIGNATURE", "!!!")
    ),
    "a payload that does not fit its scheme": lambda s: s.with_payload(lambda p: p.clear()),
    "a challenge that is not ours": unasked,
    "a challenge for another page": lambda s: s.get("/sold/other", s.pay()),
    "a challenge for another body, where the route binds it": other_body,
    "an x402 offer that is not made here": lambda s: s.accepting(setting(amount="1")),
    "an offer that is over": over,
    "an x402 offer that is over, of another price": lambda s: s.accepting(
        setting(), price_micro=100
    ),
    "a payment that came to nothing six minutes before": released,
    "scrip past its end": lambda s: s.minted(expires_at_s=int(time.time()) - 2 * 86_400),
    "scrip that was changed": flipped("cert"),
    "scrip of another vendor": lambda s: s.minted(vendor="another"),
    "scrip in another currency": lambda s: s.minted(currency="usd"),
    "a request signature that is wrong": flipped("sig"),
    "less than the price": short,
    "a scheme that the route does not take": other_scheme,
    "an x402 scheme that is not ours": lambda s: s.accepting(setting(scheme="exact")),
    "an x402 network that is not ours": lambda s: s.accepting(setting(network="eip155:1")),
    "an `X-Cashu` value that is no token": lambda s: s.get("/coins/page", ("X-Cashu", "coins")),
    "a token that cannot be read": lambda s: s.get("/coins/page", ("X-Cashu", "cashuBAAAA")),
    "a token of another mint": lambda s: s.coins("/coins/page", 5, "https://mint.example"),
    "a token of less than the price": lambda s: s.coins("/coins/page", 4),
    "a token where the route takes none": lambda s: s.coins("/sold/page", 5),
    "two payments in one request": lambda s: s.get("/sold/page", s.pay(), GARBAGE),
    "an Idempotency-Key that is none": lambda s: s.get(
        "/sold/page", s.pay(), ("Idempotency-Key", "a b")
    ),
    "a Host that is none": lambda s: s.get("/sold/page", ("Host", "a|b")),
    "another payment with a piece that is spent": spent,
    "the same payment after the route's `repeat_s`": repeated,
    "the same payment while it is served": lambda s: meanwhile(s, again=True),
    "another payment with a piece that is being spent": lambda s: meanwhile(s, again=False),
    "a used challenge with another payload or page": reused,
    "a used Idempotency-Key with another payment": keyed,
    "a chain that the gate does not know": unknown_chain,
    "a compressed message": lambda s: s.http.post(OUTCOME_PATH, headers={"Content-Encoding": "br"}),
    "a bound body above 1 MiB": lambda s: s.http.post(
        "/bound/page", content=b"x" * (1024 * 1024 + 1)
    ),
    "headers above 32 KiB, or a credential above 16 KiB": lambda s: s.get(
        "/sold/page", ("Authorization", "Payment " + "A" * 17_000)
    ),
    "the site does not answer in time": lambda s: s.get("/sold/hangs", s.pay("/sold/hangs")),
    "the broker is away, where it pays first": lambda s: s.get(
        "/before/page", s.pay("/before/page")
    ),
    "the broker does not say, where it pays first": silent,
    "an enquiry about a payment that never came": enquiry,
    "an enquiry with another's proof": anothers,
    "too many requests that pay nothing, from one address": flooding,
}


# --- and what is answered -----------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.status}-{row.when}" for row in ROWS])
def test_the_gate_answers_as_its_reference_says(street: Street, row: Row) -> None:
    answer = PROVOKED[row.when](street)
    problem = answer.json()
    kind = problem["type"].rpartition("/")[2]
    found = Row(row.when, answer.status_code, problem["code"], kind, problem["retry"])
    assert found == row
    assert answer.headers["content-type"] == "application/problem+json"
    is_paid = "payment-receipt" in answer.headers
    assert answer.headers["cache-control"] == ("private" if is_paid else "no-store")
    offers = mpp.read_challenges(answer.headers.get_list("www-authenticate"))
    assert bool(offers) == ("payment-required" in answer.headers) == (row.status == 402)
    assert ("retry-after" in answer.headers) == (
        row.status in {409, 429, 502, 503} and row.retry == "same"
    )
    if row.when.startswith("an x402"):
        told = msgspec.json.decode(codec.unb64(answer.headers["payment-response"]))
        assert (told["success"], told["extra"]["code"]) == (False, row.code)


def test_every_way_to_be_refused_is_in_the_reference() -> None:
    assert [row.when for row in ROWS] == list(PROVOKED)
