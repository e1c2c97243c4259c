"""What the demo tries that must not work, and the one thing that must: a repeat is charged once."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from farthing import codec
from farthing.wallet.app import Wallet

TIMEOUT_S = 10.0
OK = 200
Opener = Callable[[Path], Wallet]


class Attempts:
    """Tries against one gate, with a wallet file that a payer may copy and tamper with."""

    def __init__(self, gate_url: str, wallet: Path, opener: Opener, pages: list[str]) -> None:
        """`opener` opens a wallet file; `pages` are priced paths, at least two."""
        self._gate_url = gate_url
        self._path = wallet
        self._open = opener
        self._pages = pages
        self._sent: list[httpx.Request] = []

    def all(self) -> dict[str, str]:
        """Code by attempt; what is allowed says so."""
        return {
            "replay": self._replay(),
            "double_spending": self._double_spending(),
            "origin_failure": self._origin_failure(),
            "forgery": self._forgery(),
        }

    def _buy(self, path: str, hook: Callable[[httpx.Request], None]) -> httpx.Response:
        """Buy a page; `hook` sees each request before it goes out."""
        with (
            self._open(self._path) as wallet,
            httpx.Client(
                auth=wallet.auth(),
                timeout=TIMEOUT_S,
                trust_env=False,
                event_hooks={"request": [hook]},
            ) as client,
        ):
            return client.get(self._gate_url + path)

    def _again(self, headers: dict[str, str]) -> httpx.Response:
        last = self._sent[-1]
        return httpx.request(
            last.method, last.url, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )

    def _replay(self) -> str:
        """The same bytes again: the same page and receipt, and no second charge."""
        first = self._buy(self._pages[0], self._sent.append)
        again = self._again(dict(self._sent[-1].headers))
        same = (
            again.content == first.content
            and again.headers["payment-receipt"] == first.headers["payment-receipt"]
        )
        return "same page, same receipt" if same else f"differs: {again.status_code}"

    def _double_spending(self) -> str:
        """A copy of the wallet file from before a purchase pays with the same instrument.

        Where the broker is asked before a payment, it is the broker who refuses: then the copy sets
        its instrument aside, and buys another.
        """
        copy = self._path.with_name("copy.db")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self._path}{suffix}")
            if part.exists():
                shutil.copy(part, f"{copy}{suffix}")
        self._buy(self._pages[0], self._sent.append)
        body = io.BytesIO()
        with self._open(copy) as wallet:
            page = wallet.get(self._gate_url + self._pages[1], body)
            is_aside = any(held.state == "aside" for held in wallet.holdings())
        if page.status == OK and is_aside:
            return "set aside, and another bought"
        return _code(body.getvalue())

    def _forgery(self) -> str:
        """A payment whose value is changed on its way to the vendor."""
        return _code(self._buy(self._pages[0], _tamper).content)

    def _origin_failure(self) -> str:
        """A page that the site does not have: its own answer comes through, free of charge."""
        with self._open(self._path) as wallet:
            page = wallet.get(self._gate_url + "/articles/missing.html", io.BytesIO())
        return f"{page.status}, charged {page.paid_micro}"


def _tamper(request: httpx.Request) -> None:
    """Change what is worth money: a scrip's value, or the first letter of a payment's last text."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind != "Payment":
        return
    message: dict[str, Any] = msgspec.json.decode(codec.unb64u(token))
    payload = message["payload"]
    if "scrip" in payload:
        payload["scrip"]["valueMicro"] += 1
    else:
        holder, place = _last_text(payload)
        text = holder[place]
        holder[place] = ("B" if text[0] == "A" else "A") + text[1:]
    request.headers["authorization"] = f"{kind} {codec.b64u(codec.canonical(message))}"


def _last_text(value: Any) -> tuple[Any, Any]:
    """Where the last text of a payload stands: its holder, and the key or place in it."""
    places = list(value.items() if isinstance(value, dict) else enumerate(value))
    for place, each in reversed(places):
        if isinstance(each, str) and each:
            return value, place
        if isinstance(each, dict | list):
            return _last_text(each)
    raise AssertionError("a payment has a text in it")


def _code(body: bytes) -> str:
    problem: dict[str, Any] = msgspec.json.decode(body)
    return str(problem["code"])
