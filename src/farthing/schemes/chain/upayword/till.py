"""The vendor's side: a counter for each chain, and the way from one chain to the next.

A payment names the chain where the vendor is (or carries the commitment), brings the continuations
that the vendor may not have, and one link for each chain on this way: the last word of every chain
that it leaves, and the word that it pays with.
"""

from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import (
    Closed,
    Misconfigured,
    OutOfRange,
    Underpaid,
    Unfit,
)
from farthing.marks import Advance, Claim, Keys, Mark, Memory, Once, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import (
    WORD_BYTES,
    Kept,
    kept_of,
    pack,
    require_step,
    verify_next,
)
from farthing.schemes.chain.credit.pledge import PledgeId
from farthing.schemes.chain.credit.till import STEPS_MAX
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.chain.upayword.commitment import (
    FAMILY,
    TRAITS,
    Continuation,
    Opening,
    UpaywordCommitment,
    counter_id,
    require_numbers,
)
from farthing.schemes.chain.words.commitment import Link
from farthing.schemes.chain.words.till import WordTill
from farthing.schemes.contract import At, Binding, Json, Offer, Setting, Taken

CONTINUATIONS_MAX = 8  # in one payment: a wallet needs one, who lost some of its payments more


class Payment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The way from a chain that the vendor knows to the word that pays."""

    commitment: UpaywordCommitment | PledgeId
    """The object in the first payment, later the id of any chain that the vendor knows."""
    continuations: tuple[Continuation, ...] | msgspec.UnsetType = msgspec.UNSET
    links: tuple[Link, ...]
    """(unit in micro-units, index, word): one for `commitment`, one for each continuation."""

    def __post_init__(self) -> None:
        """`Unfit` unless there is one link for each chain."""
        if self.continuations == ():
            raise Unfit("continuations_empty", "leave out what is empty")
        path = self.path
        if path:
            require_numbers(path, CONTINUATIONS_MAX)
        if len(self.links) != 1 + len(path):
            raise Unfit("link_count_out_of_range", "one link for each chain")
        unit_micro = self.links[0][0]
        for unit, index, _ in self.links:
            if unit != unit_micro or not 0 < unit <= PAYMENT_MICRO_MAX or index < 0:
                raise Unfit("link_out_of_range", "units and indices are above zero, units alike")

    @property
    def path(self) -> tuple[Continuation, ...]:
        """The continuations, none for most payments."""
        return () if self.continuations is msgspec.UNSET else self.continuations

    def __repr__(self) -> str:
        """Units and indices only: a word is worth money."""
        return f"Payment({[link[:2] for link in self.links]})"


class UpaywordTill(WordTill):
    """One vendor's till; option `word_bytes` is the least size of words that it takes."""

    traits = TRAITS
    family = FAMILY
    payments = codec.Reader(Payment)

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for a unit that is not an amount, or a size that no word has."""
        super().__init__(setting)
        word_bytes = setting.options.get("word_bytes", chain.WORD_BYTES)
        sizes = range(chain.WORD_BYTES_MIN, chain.WORD_BYTES + 1)
        if type(word_bytes) is not int or word_bytes not in sizes:
            told = f"word_bytes is {sizes[0]} to {sizes[-1]}"
            raise Misconfigured("word_size_out_of_range", told, option="word_bytes")
        self.word_bytes = word_bytes

    def terms(self, at: At) -> dict[str, Json]:
        """The size of the words."""
        return {"wordBytes": self.word_bytes}

    def recall(self, payment: Any) -> Keys:
        """The counters of every chain on the way; what the first was opened with, or a hot list."""
        first, unit_micro = payment.commitment, payment.links[0][0]
        if isinstance(first, str):
            counters = [counter_id(first, unit_micro)]
            records = (self.record_key(first.encode()),) if payment.path else ()
        else:
            counters = [counter_id(first.id, first.unit_micro)]
            records = (self.family.revoked_key(first.certificate.serial),)
        counters += [counter_id(one.id, unit_micro) for one in payment.path]
        return Keys(counters=tuple(counters), records=records)

    def take(self, payment: Any, offer: Offer, binding: Binding, memory: Memory, at: At) -> Taken:
        """Verify; `Closed`, `Replayed`, `OutOfRange`, `Mismatch`, `Overlimit`, and so on."""
        way = _Way(self, payment, memory, at)
        unit_micro = payment.links[0][0]
        value_micro = unit_micro * way.steps
        if value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        kept = way.kept
        return Taken(
            value_micro=value_micro,
            reference=f"{self.family.short}:{way.id}:{payment.links[-1][1]}",
            payer=kept.payer,
            owner=kept.public_key,
            marks=tuple(way.marks),
            until_s=kept.until_s,
            records=tuple(way.records),
            claims=tuple(way.claims),
            value_moved=True,
        )

    def open(self, commitment: UpaywordCommitment, at: At) -> bytes:
        """The first chain of a commitment that is right; any refusal of `admit`, `OutOfRange`."""
        if commitment.word_bytes < self.word_bytes:
            raise OutOfRange("words_too_short", f"words of {self.word_bytes} bytes here")
        self.admit(commitment, at)
        return record_of(Opening(commitment=commitment))

    def endorse(self, payment: Any, taken: Taken, memory: Memory, at: At) -> Json:
        """One claim message for every chain on the way."""
        messages: list[Json] = [
            super(WordTill, self).endorse(
                payment, msgspec.structs.replace(taken, claims=(claim,)), memory, at
            )
            for claim in taken.claims
        ]
        parts = {name: [one for each in messages for one in each[name]] for name in messages[0]
                 if name != "commitment"}  # fmt: skip  # - one line a member would say no more
        return messages[0] | parts

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One claim message per row: what opened the chain, and its last word."""
        messages: list[Json] = []
        for claim in claims:
            chain_id = claim.key[len(self._prefix) : -8]
            kept = memory.records.get(self.record_key(chain_id))
            # What is forgotten by now is not paid any more: named by its id, it is refused.
            opening: Json = {"commitment": chain_id.decode()}
            if kept is not None:
                opening = codec.read_json(kept)
            continuation = opening.get("continuation")
            number = continuation["number"] if continuation else 0
            message = {
                "commitment": opening["commitment"],
                "continuations": [continuation] if continuation else [],
                "links": [[number, claim.order, codec.b64u(claim.body)]],
            }
            messages.append(message)
        return messages

    def filed(self, opening: Opening) -> Put:
        """The record that continuations and the sweep need of a chain."""
        key = self.record_key(opening.stretch.id.encode())
        until_s = opening.commitment.marks_until_s
        return Put(key=key, value=codec.canonical(opening), until_s=until_s)


class _Way:
    """One payment's way over its chains, and what it marks, claims and files."""

    def __init__(self, till: UpaywordTill, payment: Payment, memory: Memory, at: At) -> None:
        self._till, self._payment, self._memory, self._at = till, payment, memory, at
        self.marks: list[Mark] = []
        self.claims: list[Claim] = []
        self.records: list[Put] = []
        self.steps = 0
        first, unit_micro = payment.commitment, payment.links[0][0]
        opening: Opening | None = None
        if isinstance(first, str):
            self.id = first
            self._place = counter_id(first, unit_micro)
            place = memory.counters.get(self._place)
            if place is None:
                raise Closed("commitment_unknown", "send the commitment itself with this payment")
            self._record = place.link
        else:
            till.require_unrevoked(first, memory)
            self.id, opening = first.id, Opening(commitment=first)
            self._place = counter_id(first.id, first.unit_micro)
            self._record = till.open(first, at)
            self._require_unit(first, unit_micro)
            if self._place not in memory.counters:
                self.marks += [*first.slot_marks(), _root_mark(self._record)]
                self.records.append(till.filed(opening))
        for continuation, link in zip(payment.path, payment.links, strict=False):
            opening = self._continue(opening, continuation, link)
        self._step(payment.links[-1])

    @property
    def kept(self) -> Kept:
        """Of the chain where it is."""
        return kept_of(self._record[WORD_BYTES:])

    def _require_unit(self, commitment: UpaywordCommitment, unit_micro: int) -> None:
        if commitment.unit_micro != unit_micro:
            raise OutOfRange("denomination_unknown", "the commitment has no such chain")

    def _continue(self, opening: Opening | None, after: Continuation, link: Link) -> Opening:
        """Leave this chain, all of it paid, for the next."""
        if opening is None:
            body = self._memory.records.get(self._till.record_key(self.id.encode()))
            if body is None:
                raise Closed("commitment_unknown", "send the commitment itself with this payment")
            opening = _OPENINGS.read(body)
        after.require_after(opening.stretch)
        length = self.kept.length
        if link[1] != length:
            raise OutOfRange("chain_not_used_up", f"this chain has {length} links")
        commitment = opening.commitment
        place = counter_id(after.id, commitment.unit_micro)
        opened = Opening(commitment=commitment, continuation=after)
        is_new = place not in self._memory.counters
        if is_new or after.of != commitment.id:
            after.verify(commitment)
        self._step(link, is_left=True)
        if is_new:
            until_s = commitment.marks_until_s
            self.marks.append(Once(id=_NEXT + self.id.encode(), until_s=until_s))
            self.records.append(self._till.filed(opened))
        self.id, self._place, self._record = after.id, place, record_of(opened)
        if is_new:
            self.marks.append(_root_mark(self._record))
        return opened

    def _step(self, link: Link, *, is_left: bool = False) -> None:
        """Go to this word of this chain; a chain that is left may stand there already."""
        unit_micro, index, text = link
        place = self._memory.counters.get(self._place)
        last = 0
        if place is not None:
            last, self._record = place.to, place.link
        kept, record = self.kept, self._record
        if is_left and index == last:
            verify_next(kept, record, last, index, text)
            return
        now_s = self._at.now_s
        self.steps = require_step(kept, index, last, now_s, SKEW_S, STEPS_MAX, self.steps)
        word = verify_next(kept, record, last, index, text)
        after, until_s = word + record[len(word) :], kept.until_s
        self.marks.append(Advance(id=self._place, over=last, to=index, link=after, until_s=until_s))
        self.claims.append(self._till.claim(self._place, unit_micro * index, index, word))


_OPENINGS = codec.Reader(Opening)
_NEXT = FAMILY.tag.encode() + b"/next"


def record_of(opening: Opening) -> bytes:
    """What a gate keeps beside the counter of a chain that begins; `Malformed`."""
    commitment, stretch = opening.commitment, opening.stretch
    return pack(
        word=codec.unb64u(stretch.root, size_bytes=commitment.word_bytes),
        key=chain.link_key(codec.unb64u(stretch.salt, size_bytes=chain.SALT_BYTES)),
        length=stretch.length,
        ends_at_s=commitment.ends_at_s,
        payer=commitment.certificate.payer,
        public_key=codec.unb64u(commitment.certificate.public_key, size_bytes=32),
    )


def _root_mark(record: bytes) -> Once:
    """Two chains with one root are refused."""
    until_s = kept_of(record[WORD_BYTES:]).until_s
    return Once(id=FAMILY.tag.encode() + b"/root" + record[:WORD_BYTES], until_s=until_s)
