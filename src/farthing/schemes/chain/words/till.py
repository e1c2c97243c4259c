"""The vendor's side of words: one counter per chain, one hash per link, claims of the last word.

The first payment carries the commitment; its two signatures are checked once and what later
payments need is kept with each chain's counter (`counters.py`). A later payment names
the commitment by its id. The commitment itself is a record that the sweep joins to the claims.

A chain that is closed (`closing.py`) has its counter above its length.
"""

from functools import lru_cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Meta

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Closed, OutOfRange, Refusal, Underpaid, Unfit
from farthing.marks import Advance, Claim, Keys, Mark, Memory, Once, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import (
    CHAINS_CACHED,
    WORD_BYTES,
    Kept,
    kept_of,
    pack,
    require_step,
    verify_next,
)
from farthing.schemes.chain.credit.pledge import PledgeId
from farthing.schemes.chain.credit.till import STEPS_MAX, CreditTill
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.chain.words.commitment import (
    CHAINS_MAX,
    Commitment,
    Link,
    counter_id,
)
from farthing.schemes.contract import At, Binding, Json, Offer, Setting, Taken

C = TypeVar("C", bound=Commitment)


class Payment(
    msgspec.Struct, Generic[C], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False
):
    """`commitment`: the object in the first payment, its id (base64url of 16 bytes) later."""

    commitment: C | PledgeId
    links: Annotated[tuple[Link, ...], Meta(min_length=1, max_length=CHAINS_MAX)]

    def __repr__(self) -> str:
        """Denominations and indices only: a word is worth money."""
        return f"Payment({[link[:2] for link in self.links]})"


class WordTill(CreditTill):
    """A member gives `traits`, `family` and `payments`."""

    payments: ClassVar[codec.Reader[Any]]
    """Reads its `Payment`."""
    denominations: ClassVar[int] = 1  # chains that its payers may open with a commitment

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for a unit that is not an amount."""
        super().__init__(setting)
        self._prefix = self.family.tag.encode()

    @property
    def units_max(self) -> int:
        """Of a price: as many as one payment has links, unless links may be worth more."""
        if self.denominations == 1:
            return super().units_max
        return PAYMENT_MICRO_MAX // self.unit_micro

    def read(self, payload: bytes) -> Payment[Commitment]:
        """The payment; `Malformed`, `Unfit`."""
        payment: Payment[Commitment] = self.payments.read(payload)
        return payment

    def recall(self, payment: Payment[Commitment]) -> Keys:
        """The counters of every chain that the payment names; at an opening the hot list too."""
        commitment = payment.commitment
        if isinstance(commitment, str):
            tag, links = self.family.tag, payment.links
            if len(links) == 1:  # as nearly all payments have
                return _keys_of(tag, commitment, links[0][0])
            return Keys(
                counters=tuple([counter_id(tag, commitment, value) for value, _, _ in links])
            )
        return Keys(
            counters=tuple(commitment.counter_id(value) for value, _, _ in commitment.chains),
            records=(self.family.revoked_key(commitment.certificate.serial),),
        )

    def take(
        self, payment: Payment[Commitment], offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `Closed`, `Finalized`, `Expired`, `Replayed`, `OutOfRange`, and so on."""
        commitment, links = payment.commitment, payment.links
        if len(links) != 1 and len({denomination for denomination, _, _ in links}) != len(links):
            raise Unfit("denomination_repeated", "one link for each chain")
        opening: dict[int, bytes] = _NONE
        if isinstance(commitment, str):
            commitment_id = commitment
        else:
            self.require_unrevoked(commitment, memory)
            commitment_id, opening = commitment.id, self._open(commitment, at)
        family = self.family
        marks: tuple[Mark, ...] = ()
        claims: tuple[Claim, ...] = ()
        value_micro = steps = 0
        reference = ""
        kept: Kept | None = None
        for denomination, index, text in links:
            mark_id = counter_id(family.tag, commitment_id, denomination)
            place = memory.counters.get(mark_id)
            if place is not None:
                last, record = place.to, place.link
            elif denomination in opening:
                last, record = 0, opening[denomination]
            else:
                raise _unknown_chain(is_opening=bool(opening))
            kept = kept_of(record[WORD_BYTES:])
            steps = require_step(kept, index, last, at.now_s, SKEW_S, STEPS_MAX, steps)
            word = verify_next(kept, record, last, index, text)
            value_micro += denomination * (index - last)
            link = word + kept.raw
            marks += (Advance(id=mark_id, over=last, to=index, link=link, until_s=kept.until_s),)
            claims += (self.claim(mark_id, denomination * index, index, word),)
            # A denomination other than the till's own is named.
            named = index if denomination == self.unit_micro else f"{index}x{denomination}"
            if reference:
                reference = f"{reference},{named}"
            else:
                reference = f"{family.short}:{commitment_id}:{named}"
        assert kept is not None, "a payment has a link"
        if value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        records: tuple[Put, ...] = ()
        if opening and not memory.counters:
            assert isinstance(commitment, Commitment), "only the object opens chains"
            marks += _untouched(commitment, links, opening, kept.until_s)
            records = (self.record_of(commitment, kept.until_s),)
        return Taken(
            value_micro=value_micro,
            reference=reference,
            payer=kept.payer,
            owner=kept.public_key,
            marks=marks,
            until_s=kept.until_s,
            records=records,
            claims=claims,
            value_moved=True,
        )

    def _open(self, commitment: Commitment, at: At) -> dict[int, bytes]:
        """Check a commitment; the record of each of its chains, by denomination."""
        self.admit(commitment, at)
        return records_of(commitment)

    def endorse(self, payment: Payment[Commitment], taken: Taken, memory: Memory, at: At) -> Json:
        """One claim message for every chain that this payment uses."""
        messages = [
            super(WordTill, self).endorse(
                payment, msgspec.structs.replace(taken, claims=(claim,)), memory, at
            )
            for claim in taken.claims
        ]
        links = [link for message in messages for link in message["links"]]
        return messages[0] | {"links": links}

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """The commitments of these claims."""
        ids = {claim.key[len(self._prefix) : -8] for claim in claims}
        return Keys(records=tuple(self.record_key(found) for found in sorted(ids)))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One claim message per row: the commitment, and the last word of one chain.

        A commitment that is forgotten by now (no claim with it is paid any more) is named by its
        id: the broker refuses that claim for good, and the others are cleared.
        """
        messages: list[Json] = []
        for claim in claims:
            commitment_id = claim.key[len(self._prefix) : -8]
            kept = memory.records.get(self.record_key(commitment_id))
            denomination = int.from_bytes(claim.key[-8:], "big")
            commitment = commitment_id.decode() if kept is None else codec.read_json(kept)
            message: dict[str, Json] = {"commitment": commitment}
            if denomination == CLOSED:
                message |= {"closing": True, "links": codec.read_json(claim.body)}
            else:
                message["links"] = [[denomination, claim.order, codec.b64u(claim.body)]]
            messages.append(message)
        return messages

    def record_of(self, commitment: Commitment, until_s: int) -> Put:
        """What the sweep joins to its claims."""
        key = self.record_key(commitment.id.encode())
        return Put(key=key, value=codec.canonical(commitment), until_s=until_s)

    def record_key(self, commitment_id: bytes) -> bytes:
        """Where a gate keeps the commitment for the sweep; the id as it travels, in ASCII."""
        return self._prefix + b"/commitment/" + commitment_id

    def claim(self, mark_id: bytes, worth_micro: int, index: int, word: bytes) -> Claim:
        """The last word of one chain; a later one supersedes it."""
        return Claim(
            scheme=self.traits.name,
            key=mark_id,
            order=index,
            value_micro=worth_micro,
            body=word,
            moment="batch",
        )

    def closing_claim(self, commitment: Commitment, links: list[Link]) -> Claim:
        """The last word of every chain, once more: nothing is claimed after them."""
        return Claim(
            scheme=self.traits.name,
            key=commitment.counter_id(CLOSED),
            order=1,
            value_micro=0,
            body=codec.canonical(links),
            moment="batch",
        )


_NONE: dict[int, bytes] = {}
CLOSED = 0  # in the place of a denomination: no word is worth nothing


@lru_cache(maxsize=CHAINS_CACHED)
def _keys_of(tag: str, commitment_id: str, denomination: int) -> Keys:
    """What a payment with one chain reads."""
    return Keys(counters=(counter_id(tag, commitment_id, denomination),))


def records_of(commitment: Commitment) -> dict[int, bytes]:
    """What is kept of each chain before anything was paid, by denomination."""
    key = chain.link_key(codec.unb64u(commitment.salt, size_bytes=chain.SALT_BYTES))
    return {
        denomination: pack(
            word=codec.unb64u(root, size_bytes=chain.WORD_BYTES),
            key=key,
            length=length,
            ends_at_s=commitment.ends_at_s,
            payer=commitment.certificate.payer,
            public_key=codec.unb64u(commitment.certificate.public_key, size_bytes=32),
        )
        for denomination, length, root in commitment.chains
    }


def _unknown_chain(*, is_opening: bool) -> Refusal:
    if is_opening:
        return OutOfRange("denomination_unknown", "the commitment has no such chain")
    return Closed("commitment_unknown", "send the commitment itself with this payment")


def _untouched(
    commitment: Commitment, links: tuple[Link, ...], opening: dict[int, bytes], until_s: int
) -> tuple[Mark, ...]:
    """At the opening: roots and slots are used up, and every other chain has its counter at 0."""
    paid = {denomination for denomination, _, _ in links}
    marks: list[Mark] = list(used_up(commitment, opening))
    for denomination, record in opening.items():
        if denomination not in paid:
            mark_id = commitment.counter_id(denomination)
            marks.append(Advance(id=mark_id, over=0, to=0, link=record, until_s=until_s))
    return tuple(marks)


def used_up(commitment: Commitment, opening: dict[int, bytes]) -> tuple[Once, ...]:
    """What a commitment uses up when it is shown first: its slots, and the root of each chain."""
    root, until_s = commitment.family.tag.encode() + b"/root", commitment.marks_until_s
    roots = (Once(id=root + record[:WORD_BYTES], until_s=until_s) for record in opening.values())
    return (*commitment.slot_marks(), *roots)
