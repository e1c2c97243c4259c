"""Making a lost pocket's coins again: everything follows from the seed, and the broker has signed.

For each list whose coins are still good, each key's outputs are made again in their order and the
broker is asked which it has signed, until as many in a row were not as a wallet can have skipped.
Then it is asked which of these coins are spent. All of it without an account, since these
questions together would tell whose coins they are; they come from one address still.
"""

from typing import Any, Generic, Literal

import msgspec

from farthing import codec
from farthing.errors import Forged
from farthing.schemes.coin.blind.coinage import CURRENT, Coinage, K, ListName, Slot
from farthing.schemes.coin.blind.pocket import Held, Pocket
from farthing.schemes.coin.deriving import GAP, Maker
from farthing.schemes.coin.values import COUNT_MAX
from farthing.schemes.contract import Asked, At, Json


class Search(
    msgspec.Struct, Generic[K], frozen=True, kw_only=True, forbid_unknown_fields=True, tag="Search"
):
    """How far it is."""

    ahead: dict[str, int] = {}
    """By key: the counter that is asked about next."""
    behind: dict[str, int] = {}
    """By key: the counter behind the last that was signed."""
    found: tuple[Held, ...] = ()
    keysets: K | None = None
    """The first of `lists`."""
    lists: tuple[ListName, ...]
    """Still to be looked at, the present one last."""
    number: int
    """Of the pocket."""
    slots: tuple[Slot, ...] = ()
    """What is asked about now."""
    step: Literal["list", "signed", "spent"] = "list"
    unspent: tuple[Held, ...] = ()


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signatures: tuple[str, ...]


class _Spent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    spent: tuple[bool, ...]


_SIGNED, _SPENT = codec.Reader(_Signed), codec.Reader(_Spent)


def begun(coinage: Coinage[Any], number: int, at: At) -> Asked:
    """The first message about a pocket."""
    return _list(Search(number=number, lists=coinage.lists_at(at.now_s)))


def _list(search: Search[Any]) -> Asked:
    """The next list."""
    message = {"list": search.lists[0]}
    return Asked(operation="issue", message=message, bearer=True, kept=codec.canonical(search))


class Restorer(Generic[K]):
    """Makes one pocket's coins again."""

    def __init__(self, coinage: Coinage[K], maker: Maker) -> None:
        """With the secrets of that pocket."""
        self._coinage = coinage
        self._maker = maker

    def with_list(self, search: Search[K], keysets: K) -> Pocket[K] | Asked:
        """A list came: its first outputs; or, of one that tells of others, the first of these."""
        asked, *rest = search.lists
        if asked in {CURRENT, keysets.period}:
            known = {CURRENT, keysets.name, *search.lists}  # nothing is looked at twice
            older = tuple(dict.fromkeys(name for name in keysets.older if name not in known))
            search = msgspec.structs.replace(search, lists=(*older, keysets.name, *rest))
            if older:
                return _list(search)
        elif asked != keysets.name:
            raise Forged("keysets_of_another_time", "this is not the list that was asked for")
        return self._probe(msgspec.structs.replace(search, keysets=keysets))

    def _probe(self, search: Search[K]) -> Pocket[K] | Asked:
        """Some outputs of each key that may have more; else the next list, or the coins.

        A pocket without a coin where nothing was ever signed.
        """
        keysets = search.keysets
        assert keysets is not None, "its list has come"
        ahead, slots = dict(search.ahead), list[Slot]()
        most = COUNT_MAX // keysets.count
        for exponent in range(keysets.count):
            label = keysets.label(exponent)
            first = ahead.get(label, 0)
            if first < search.behind.get(label, 0) + GAP:
                slots += [keysets.slot(exponent, first + n) for n in range(most)]
                ahead[label] = first + most
        if slots:
            raw = (self._coinage.output(self._maker, keysets, slot) for slot in slots)
            asked = msgspec.structs.replace(search, ahead=ahead, slots=tuple(slots), step="signed")
            return Asked(
                operation="issue",
                message={"restore": [codec.b64u(output) for output in raw]},
                bearer=True,
                kept=codec.canonical(asked),
            )
        if search.lists[1:]:
            return _list(msgspec.structs.replace(search, lists=search.lists[1:], step="list"))
        return self._query(search) if search.found else _pocket(search, 0)

    def with_signatures(self, search: Search[K], answer: Json) -> Pocket[K] | Asked:
        """Coins of what was signed; `Forged` for signatures that are not right."""
        keysets, said = search.keysets, _SIGNED.convert(answer).signatures
        assert keysets is not None, "its list has come"
        if len(said) != len(search.slots):
            raise Forged("signatures_missing", "each output has a signature, or none")
        behind, found = dict(search.behind), list(search.found)
        for slot, text in zip(search.slots, said, strict=True):
            if text:
                blind = codec.unb64u(text)
                found.append(Held(slot, self._coinage.signature(self._maker, keysets, slot, blind)))
                behind[keysets.label(slot.exponent)] = slot.counter + 1
        known = msgspec.structs.replace(search, behind=behind, found=tuple(found), slots=())
        return self._probe(known)

    def _query(self, search: Search[K]) -> Asked:
        """Which of the next coins are spent."""
        marks = [
            self._coinage.mark(self._maker, held.slot, held.signature)
            for held in search.found[:COUNT_MAX]
        ]
        asked = msgspec.structs.replace(search, step="spent")
        return Asked(
            operation="issue", message={"spent": marks}, bearer=True, kept=codec.canonical(asked)
        )

    def with_spent(self, search: Search[K], answer: Json, at: At) -> Pocket[K] | Asked:
        """The pocket, with the coins that are not spent; or the next question about the others."""
        asked, rest = search.found[:COUNT_MAX], search.found[COUNT_MAX:]
        said = _SPENT.convert(answer).spent
        if len(said) != len(asked):
            raise Forged("answers_missing", "each coin is spent or not")
        left = tuple(held for held, spent in zip(asked, said, strict=True) if not spent)
        unspent = search.unspent + left
        if rest:
            return self._query(msgspec.structs.replace(search, found=rest, unspent=unspent))
        return _pocket(msgspec.structs.replace(search, unspent=unspent), at.now_s)


def _pocket(search: Search[K], payments: int) -> Pocket[K]:
    """What was found; `payments`, the time, is beyond any number that a payment had."""
    assert search.keysets is not None, "the last list was the present one"
    return Pocket(
        number=search.number,
        keysets=search.keysets,
        coins=search.unspent,
        counters=search.behind,
        payments=payments,
        listed_s=payments,
    )
