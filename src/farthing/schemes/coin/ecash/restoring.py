"""Making a lost pocket's coins again: everything follows from the seed, and the broker has signed.

For each epoch whose coins are still good, each keyset's outputs are made again in their order and
the broker is asked which it has signed, until as many in a row were not as a wallet can have
skipped. Then it is asked which of these coins are spent. All of it without an account, since these
questions together would tell whose coins they are; they come from one address still.
"""

from typing import Literal

import msgspec

from farthing import codec
from farthing.errors import Forged
from farthing.schemes.coin.deriving import GAP, Maker
from farthing.schemes.coin.ecash.keyset import KeysetList
from farthing.schemes.coin.ecash.making import Slot, coin_of, output_of, signature_of
from farthing.schemes.coin.ecash.messages import mark_of
from farthing.schemes.coin.ecash.pocket import Held, Pocket
from farthing.schemes.coin.epochs import EPOCH_S, GRACE_S, Epoch, epoch_at
from farthing.schemes.coin.values import COUNT_MAX, EXPONENT_MAX
from farthing.schemes.contract import Asked, At, Json

EPOCHS_MAX = -(-(2 * EPOCH_S + GRACE_S) // EPOCH_S)  # whose coins can be good at one time


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """How far it is."""

    ahead: dict[str, int] = {}
    """By keyset id: the counter that is asked about next."""
    behind: dict[str, int] = {}
    """By keyset id: the counter behind the last that was signed."""
    epochs: tuple[int, ...]
    """Still to be looked at, the present one last."""
    found: tuple[Held, ...] = ()
    keysets: KeysetList | None = None
    """Of the first of `epochs`."""
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


SEARCHES = codec.Reader(Search)
_SIGNED, _SPENT = codec.Reader(_Signed), codec.Reader(_Spent)


def begun(number: int, at: At) -> Asked:
    """The first message about a pocket."""
    last = epoch_at(at.now_s).number
    epochs = range(last - EPOCHS_MAX + 1, last + 1)
    good = tuple(epoch for epoch in epochs if at.now_s <= Epoch(epoch).ends_at_s)
    return _list(Search(number=number, epochs=good))


def _list(search: Search) -> Asked:
    """The list of the next epoch."""
    message = {"list": search.epochs[0]}
    return Asked(operation="issue", message=message, bearer=True, kept=codec.canonical(search))


def with_list(search: Search, keysets: KeysetList, maker: Maker) -> Pocket | Asked:
    """The list came: the first outputs of its epoch."""
    if keysets.epoch != search.epochs[0]:
        raise Forged("keysets_of_another_epoch", "this is not the list that was asked for")
    return _probe(msgspec.structs.replace(search, keysets=keysets), maker)


def _probe(search: Search, maker: Maker) -> Pocket | Asked:
    """Some outputs of each keyset that may have more; else the next epoch, or the coins.

    A pocket without a coin where nothing was ever signed.
    """
    keysets = search.keysets
    assert keysets is not None, "its list has come"
    ahead, slots = dict(search.ahead), list[Slot]()
    for exponent in range(EXPONENT_MAX + 1):
        ref, name = keysets.ref(exponent), keysets.keysets[exponent].id
        first, most = ahead.get(name, 0), COUNT_MAX // (EXPONENT_MAX + 1)
        if first < search.behind.get(name, 0) + GAP:
            slots += [Slot(ref.epoch, exponent, ref.id, first + n) for n in range(most)]
            ahead[name] = first + most
    if slots:
        outputs = [codec.b64u(output_of(maker, keysets, slot).raw) for slot in slots]
        asked = msgspec.structs.replace(search, ahead=ahead, slots=tuple(slots), step="signed")
        return Asked(
            operation="issue",
            message={"restore": outputs},
            bearer=True,
            kept=codec.canonical(asked),
        )
    if search.epochs[1:]:
        return _list(msgspec.structs.replace(search, epochs=search.epochs[1:], step="list"))
    return _query(search, maker) if search.found else _pocket(search, 0)


def with_signatures(search: Search, answer: Json, maker: Maker) -> Pocket | Asked:
    """Coins of what was signed; `Forged` for signatures that are not right."""
    keysets, said = search.keysets, _SIGNED.convert(answer).signatures
    assert keysets is not None, "its list has come"
    if len(said) != len(search.slots):
        raise Forged("signatures_missing", "each output has a signature, or none")
    behind, found = dict(search.behind), list(search.found)
    for slot, text in zip(search.slots, said, strict=True):
        if text:
            signature = signature_of(maker, keysets, slot, codec.unb64u(text))
            found.append(Held(slot, signature))
            behind[codec.b64u(slot.id)] = slot.counter + 1
    known = msgspec.structs.replace(search, behind=behind, found=tuple(found), slots=())
    return _probe(known, maker)


def _query(search: Search, maker: Maker) -> Asked:
    """Which of the next coins are spent."""
    marks = [_mark(maker, held) for held in search.found[:COUNT_MAX]]
    asked = msgspec.structs.replace(search, step="spent")
    return Asked(
        operation="issue", message={"spent": marks}, bearer=True, kept=codec.canonical(asked)
    )


def _mark(maker: Maker, held: Held) -> str:
    coin = coin_of(maker, held.slot, held.signature)
    return codec.b64u(mark_of(coin.ref.id, coin.serial))


def with_spent(search: Search, answer: Json, maker: Maker, at: At) -> Pocket | Asked:
    """The pocket, with the coins that are not spent; or the next question about the others."""
    asked, rest = search.found[:COUNT_MAX], search.found[COUNT_MAX:]
    said = _SPENT.convert(answer).spent
    if len(said) != len(asked):
        raise Forged("answers_missing", "each coin is spent or not")
    left = tuple(held for held, spent in zip(asked, said, strict=True) if not spent)
    unspent = search.unspent + left
    if rest:
        return _query(msgspec.structs.replace(search, found=rest, unspent=unspent), maker)
    return _pocket(msgspec.structs.replace(search, unspent=unspent), at.now_s)


def _pocket(search: Search, payments: int) -> Pocket:
    """What was found; `payments` is beyond any number that a payment had."""
    assert search.keysets is not None, "the last list was the present one"
    return Pocket(
        number=search.number,
        keysets=search.keysets,
        coins=search.unspent,
        counters=search.behind,
        payments=payments,
    )
