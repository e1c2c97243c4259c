"""What gates give: no page goes out before its payment is committed, none for less, none twice.

Counted from outside: what a request has its gate's store do says which payment it is about, and
the store's commits say what was paid by then. What goes out under a seal cannot be told apart here:
its payer says whether it has got it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from farthing import marks
from farthing.lab.goods import Page
from farthing.wallet.commands import Purchase

PAGE = b"page "  # what every page of a world begins with


class Given:
    """All that went out in a world."""

    def __init__(self, find: Callable[[str], None], sold: Mapping[str, Mapping[str, int]]) -> None:
        """Nothing yet; `sold` has what was paid, by vendor and K."""
        self._find = find
        self._sold = sold
        self._paths: dict[str, dict[str, str]] = defaultdict(dict)

    def gives(self, vendor_id: str, page: Page, path: str, names: list[str]) -> None:
        """A vendor sends a page to whoever has named these payments."""
        sold = self._sold[vendor_id]
        k = next((name for name in names if name in sold), None)
        if k is None:
            self._find(f"{vendor_id} gave {path}, and nobody has paid for it: {names}")
            return
        if not page.kind and sold[k] != page.price_micro:
            self._find(f"{vendor_id} gave {path} of {page.price_micro} for {sold[k]}: {k}")
        if self._paths[vendor_id].setdefault(k, path) != path:
            self._find(f"{vendor_id} gave {path} for {k}, and {self._paths[vendor_id][k]} before")

    def got(self, payer: str, made: Purchase, page: bytes) -> None:
        """A wallet has the answer to what it paid."""
        if made.k not in self._sold[made.vendor_id]:
            self._find(f"{made.vendor_id} gave {payer} what it has not taken {made.k} for")
        if page != PAGE + urlsplit(made.url).path.encode():
            self._find(f"{made.vendor_id} gave {payer} {page[:32]!r} for {made.url}")


class Giving:
    """One request to a priced route."""

    def __init__(self, given: Given, vendor_id: str, page: Page, path: str) -> None:
        """About no payment yet."""
        self._given = given
        self._vendor_id = vendor_id
        self._page, self._path = page, path
        self._names: list[str] = []

    def begin(self) -> None:
        """In the context of who serves it."""
        GIVING.set(self)

    def asks(self, command: marks.Command) -> None:
        """Its gate is about to ask its store for this."""
        match command:
            case marks.Find(k=k) | marks.Hold(k=k) | marks.Confirm(k=k):
                self._names.append(k)
            case marks.Take(hold=hold):
                self._names.append(hold.k)
            case _:
                pass

    def tap(self, send: Any) -> Any:
        """What the gate sends goes past here."""

        async def tapped(event: MutableMapping[str, Any]) -> None:
            if bytes(event.get("body", b"")).startswith(PAGE):
                self._given.gives(self._vendor_id, self._page, self._path, self._names)
            await send(event)

        return tapped


GIVING: ContextVar[Giving | None] = ContextVar("giving", default=None)
