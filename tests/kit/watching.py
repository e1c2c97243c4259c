"""Somebody who sees all that a broker and a vendor are told and keep, and looks for who paid.

Each call and visit becomes the set of all eight bytes in a row that are in it, with whatever is
written in it as base64 opened. What those of several payers have in common says nothing of anybody
and is left out. What is left and occurs in two of them ties the two together, and so on: a guess
is the payers whose own calls a payment is tied to.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from random import Random
from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Malformed
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes import registry
from farthing.wallet.choice import is_paid
from farthing.wallet.stocking import restock, set_level
from farthing.wallet.stocks import Stock

WINDOW = 8  # bytes: what two independent messages do not have in common by chance
DEPTH_MAX = 4  # a payload in a credential in a header, with signatures in it
RUN = re.compile(rb"[A-Za-z0-9_-]{12,}")
TIE = 9  # windows, of 16 bytes: fewer are the end of a word and some letters by chance, coded anew
LEVEL_MICRO = 10_000
STEP_S = 977  # from one to the next: no two have a time in common
NAME_CHARS = 16
HASHED = 4  # columns of the journal, of which the last is its hash


class Seen(msgspec.Struct, kw_only=True):
    """One call or visit."""

    by: str
    """The payer whose doing it is: what the watcher wants to know."""
    where: str
    """`broker` or `vendor`."""
    shows: str
    """The account that the broker was told, or the empty text."""
    pays: bool
    names: bool
    """Whether the account itself named the vendor."""
    windows: set[bytes]


def unfolded(raw: bytes, depth: int = DEPTH_MAX) -> Iterator[bytes]:
    """The bytes, and what they hold as base64."""
    yield raw
    if not depth:
        return
    for run in set(RUN.findall(raw)):
        try:
            inner = codec.unb64u(run.decode())
        except Malformed:
            continue
        yield from unfolded(inner, depth - 1)


def windows(values: Iterable[Any]) -> set[bytes]:
    """All that may tie it to something else."""
    found = set[bytes]()
    for value in values:
        raw = value if isinstance(value, bytes) else str(value).encode()
        for part in unfolded(raw):
            found.update(part[at : at + WINDOW] for at in range(len(part) - WINDOW + 1))
    return found


class Watcher:
    """On a stage; what happens belongs to the payer whose turn it is."""

    def __init__(self, stage: Stage, payers: list[Payer], other: Payer) -> None:
        self.stage, self.payers, self.other = stage, payers, other
        self.seen: list[Seen] = []
        self.turn = ""
        self._pages = 0
        self._rows = self._all_rows()
        bank, shop = stage.bank, stage.shop
        operation, redeeming, facilitating = bank.operation, bank.redeeming, bank.facilitating
        serve = shop.serve

        async def operated(scheme: str, name: Any, message: Any, who: str, key: str) -> bytes:
            answer = await operation(scheme, name, message, who, key)
            shows = who if who in self._names() else ""
            self._broker([message, key], answer, shows=shows)
            return answer

        async def redeemed(scheme: str, claims: Any, who: str, key: str) -> Any:
            answer = await redeeming(scheme, claims, who, key)
            self._broker([claims, key], answer, pays=True)
            return answer

        async def facilitated(call: str, message: Any, who: str) -> Any:
            answer = await facilitating(call, message, who)
            self._broker([message], answer, pays=True)
            return answer

        def served(request: Any) -> Any:
            answer = serve(request)
            said = [str(request.headers), request.body, str(answer.headers)]
            self._note("vendor", said, pays=is_paid(request))
            return answer

        vars(bank).update(operation=operated, redeeming=redeemed, facilitating=facilitated)
        vars(shop).update(serve=served)

    def _names(self) -> set[str]:
        return {payer.id for payer in (*self.payers, self.other)}

    def _broker(self, told: Any, answer: Any, *, shows: str = "", pays: bool = False) -> None:
        """Message, answer and every row that is new in the broker's books."""
        rows = self._all_rows()
        new, self._rows = rows - self._rows, rows
        said = [codec.canonical(told), answer if isinstance(answer, bytes) else str(answer)]
        names = bool(shows) and f'"{self.stage.shop.id}"'.encode() in said[0]
        values = [*said, *(value for row in new for value in row)]
        self._note("broker", values, shows=shows, pays=pays, names=names)

    def _note(
        self,
        where: str,
        values: list[Any],
        *,
        pays: bool,
        shows: str = "",
        names: bool = False,
    ) -> None:
        found = windows(values)
        one = Seen(by=self.turn, where=where, shows=shows, pays=pays, names=names, windows=found)
        self.seen.append(one)

    def _all_rows(self) -> set[tuple[Any, ...]]:
        def read(connection: Any) -> set[tuple[Any, ...]]:
            names = connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
            return {
                tuple(row)
                for (name,) in names.fetchall()
                for row in connection.execute(f"SELECT * FROM {name}")  # noqa: S608 - its tables
            }

        return self.stage.bank.books.committer.read(read)

    def day(self, random: Random, *, rounds: int) -> None:
        """Everybody buys pages for the same price, in an order of their own.

        What is bought blindly is bought before, by all the same. After each of these somebody else
        buys a page: what two have in common because one came after the other is theirs, too.
        """
        for payer in self.payers:
            self._ahead(payer)
            self._page(self.other)
        for _ in range(rounds):
            for payer in random.sample(self.payers, len(self.payers)):
                self._page(payer)
                self._page(self.other)

    def _ahead(self, payer: Payer) -> None:
        guide, scheme = payer.guide(), self.stage.scheme
        if not guide.purse(scheme, self.stage.bank.id).blind:
            return
        self._begin(payer)
        stock = Stock(broker_id=self.stage.bank.id, scheme=scheme, level_micro=LEVEL_MICRO)
        file = payer.store.file
        payer.run_alone(set_level(guide, file, stock))
        payer.run_alone(restock(guide, file, stock, at_once=True))

    def _begin(self, payer: Payer) -> None:
        self.stage.room.later(STEP_S)
        self.stage.payer, self.turn = payer, payer.id

    def _page(self, payer: Payer) -> None:
        self._begin(payer)
        self._pages += 1
        self.stage.buy(self._pages)
        self.stage.room.later(STEP_S)
        self.stage.shop.clear()

    # --- what it makes of it ----------------------------------------------------------------------

    @cached_property
    def told(self) -> list[set[bytes]]:
        """What is in each call and visit of one payer only, and is no order of the journal."""
        whose: dict[bytes, str] = dict.fromkeys(self._links(), "")
        for seen in self.seen:
            for window in seen.windows:
                if whose.setdefault(window, seen.by) != seen.by:
                    whose[window] = ""
        return [{one for one in seen.windows if whose[one]} for seen in self.seen]

    def _links(self) -> set[bytes]:
        """The hashes that chain the journal: they say what came after what."""
        return windows(row[-1] for row in self._rows if len(row) == HASHED)

    def guesses(self, *where: str) -> Counter[str]:
        """How many payments are laid to their payer, to another, to nobody, by what `where` has."""
        telling = self.told
        mine = [at for at, seen in enumerate(self.seen) if seen.where in where]
        groups = _tied([telling[at] if at in mine else set() for at in range(len(telling))])
        found = Counter[str]()
        for at in mine:
            seen = self.seen[at]
            if seen.pays and seen.where == where[-1] and seen.by != self.other.id:
                named = {self.seen[one].shows for one in mine if groups[one] == groups[at]} - {""}
                right = named == {self.seen[at].by}
                found["right" if right else "wrong" if named else "nobody"] += 1
        return found

    def recognised(self) -> bool:
        """Whether the vendor ties two paid pages of one payer together."""
        telling = self.told
        mine = [
            at
            for at, seen in enumerate(self.seen)
            if seen.where == "vendor" and seen.pays and seen.by != self.other.id
        ]
        groups = _tied([telling[at] for at in mine])
        return len(set(groups)) < len(groups)

    def sold_for(self) -> bool:
        """Whether an account buys for a vendor that it names."""
        return any(seen.names for seen in self.seen)

    def named(self) -> bool:
        """Whether the vendor reads an account's name."""
        return any(
            seen.by.encode()[:WINDOW] in seen.windows
            for seen in self.seen
            if seen.where == "vendor"
        )


def _tied(sets: list[set[bytes]]) -> list[int]:
    """A number for each set: the same for those that are tied together."""
    group = list(range(len(sets)))

    def root(at: int) -> int:
        while group[at] != at:
            at = group[at]
        return at

    places: dict[bytes, list[int]] = {}
    for at, each in enumerate(sets):
        for window in each:
            places.setdefault(window, []).append(at)
    shared = Counter(
        (one, two)
        for found in places.values()
        for number, one in enumerate(found)
        for two in found[number + 1 :]
    )
    for (one, two), count in shared.items():
        if count >= TIE:
            group[root(one)] = root(two)
    return [root(at) for at in range(len(sets))]


def watched(scheme: str, *, payers: int = 3, rounds: int = 2, seed: int = 1) -> Watcher:
    """A day of a scheme, seen whole; where payments are drawn, each of them wins."""
    known = registry.by_name(scheme)
    wins = {name: values[0] for name, values in known.options.items() if known.traits.drawn}
    with Play(scheme, f"watched/{seed}").stage(options=wins) as stage:
        other = stage.payer
        people = [stage.admit(_name(seed, number)) for number in range(payers)]
        watcher = Watcher(stage, people, other)
        watcher.day(Random(seed), rounds=rounds)
        stage.payer = other
        return watcher


def _name(seed: int, number: int) -> str:
    """An account's name that begins like no other."""
    letters = Random(f"{seed}/{number}")
    return "".join(letters.choice("abcdefghijklmnop") for _ in range(NAME_CHARS))
