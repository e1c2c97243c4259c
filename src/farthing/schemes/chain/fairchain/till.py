"""The vendor's side of the fair chain: one counter a ticket, one hash a link, off-line.

The first payment with a ticket carries it; its MAC is checked, and what later payments need is kept
with the counter (`counters.py`). A payment shows the odd link of the next unit, a release the even
one behind it: a payment of its own that buys no page. The odd link of the next unit proves the even
one before it, so a release that was lost costs nothing.
"""

from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac, require_equal
from farthing.errors import (
    Closed,
    Expired,
    Forged,
    OutOfRange,
    Refusal,
    Underpaid,
)
from farthing.marks import Advance, Claim, Keys, Memory, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import (
    CHAINS_CACHED,
    WORD_BYTES,
    Kept,
    pack,
    require_step,
    verify_next,
)
from farthing.schemes.chain.fairchain.ticket import (
    MAC_BYTES,
    SUBMIT_S,
    TRAITS,
    VENDOR_KEY,
    Ticket,
    TicketId,
    counter_id,
    day_end_s,
    is_release,
    link_key,
    outcome_key,
    receipt_key,
    ticket_key,
)
from farthing.schemes.chain.till import ChainTill
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import At, Binding, Charged, Json, Offer, Taken
from farthing.schemes.proofs import read_proof

STEPS_MAX = 2  # the odd link of the next unit, where the release before it was lost


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One link. `ticket`: the object in the first payment, its id later."""

    index: Annotated[int, Meta(ge=1)]
    ticket: Ticket | TicketId
    word: str

    @property
    def ticket_id(self) -> str:
        """Whatever stands for the ticket."""
        return self.ticket if isinstance(self.ticket, str) else self.ticket.id

    def __repr__(self) -> str:
        """Index only: a word is worth money."""
        return f"Payment({self.index})"


_READER = codec.Reader(Payment)


class Opened(Kept):
    """The record of a ticket: `counters.Kept`, with the unit where others have a public key."""

    __slots__ = ("unit_micro",)

    def __init__(self, raw: bytes) -> None:
        """From the end of what a till has made at the opening."""
        super().__init__(raw)
        self.unit_micro = int.from_bytes(self.public_key, "big")


opened_of = lru_cache(maxsize=CHAINS_CACHED)(Opened)


class FairTill(ChainTill):
    """One vendor's till."""

    traits = TRAITS
    sealing = (VENDOR_KEY,)

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` for a price of nothing. A page is one unit, whatever it costs."""
        if not 0 < price_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("price_out_of_range", "a unit is worth 1 micro-unit and more")
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="deferred",
            redeem_by_s=day_end_s(at.now_s) + SUBMIT_S,
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return _READER.read(payload)

    def own_k(self, payment: Payment) -> str:
        """A release has its own: ticket and index."""
        index = payment.index
        return f"fc:{payment.ticket_id}:{index}" if is_release(index) else ""

    def recall(self, payment: Payment) -> Keys:
        """The ticket's counter. An id that nobody was given, or spelled otherwise, names none."""
        ticket = payment.ticket
        return _keys_of(ticket if isinstance(ticket, str) else ticket.id)

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `Closed`, `Forged`, `WrongVendor`, `Expired`, `Replayed`, `Underpaid` and so on.

        A commit half is worth its unit, which is the price; a release nothing, and buys no page.
        """
        index, ticket = payment.index, payment.ticket
        secret = self.setting.ring.current(VENDOR_KEY).secret
        opened: bytes | None = None
        if isinstance(ticket, str):
            ticket_id = ticket
        else:
            ticket_id, opened = ticket.id, self._open(ticket, secret)
        mark_id, owner, mac_key = _names_of(secret, ticket_id)
        place = memory.counters.get(mark_id)
        if place is not None:
            last, record = place.to, place.link
        elif opened is not None:
            last, record = 0, opened
        else:
            raise Closed("ticket_unknown", "send the ticket itself with this payment")
        kept = opened_of(record[WORD_BYTES:])
        releases, unit_micro = is_release(index), kept.unit_micro
        late_s = SUBMIT_S if releases else SKEW_S  # released as long as it can be submitted
        if at.now_s > kept.ends_at_s + late_s:
            raise Expired("ticket_expired", "get another ticket: one is for a day")
        require_step(kept, index, last, at.now_s, late_s, STEPS_MAX)
        if releases and index != last + 1:
            raise OutOfRange("release_without_commit", "release what was committed to")
        word = verify_next(kept, record, last, index, payment.word)
        if not releases and unit_micro != offer.price_micro:
            raise _price_differs(unit_micro, offer.price_micro)
        until_s = kept.until_s
        claim = Claim(
            scheme="fairchain",
            key=mark_id,
            order=index,
            value_micro=index // 2 * unit_micro,  # what is released
            body=word,
            moment="batch",
        )
        records: tuple[Put, ...] = ()
        if place is None:
            records = (
                Put(key=ticket_key(ticket_id), value=codec.canonical(ticket), until_s=until_s),
            )
        return Taken(
            value_micro=0 if releases else unit_micro,
            reference=f"fc:{ticket_id}:{index}",
            payer=kept.payer,
            owner=owner,
            marks=(
                Advance(id=mark_id, over=last, to=index, link=word + kept.raw, until_s=until_s),
            ),
            until_s=until_s,
            records=records,
            claims=(claim,),
            mac_key=mac_key,
            value_moved=True,
            delivered=releases,
        )

    def _open(self, ticket: Ticket, secret: bytes) -> bytes:
        """Check a ticket; the record of its chain. `WrongVendor`, `Forged`."""
        ticket.verify(secret, self.setting.vendor_id)
        if (ticket.broker, ticket.currency) != (self.setting.broker_id, self.setting.currency):
            raise Forged("ticket_of_another_broker", "this vendor takes no such tickets")
        return pack(
            word=codec.unb64u(ticket.root, size_bytes=chain.WORD_BYTES),
            key=link_key(ticket.id),
            length=ticket.length,
            ends_at_s=ticket.ends_at_s,
            public_key=ticket.unit_micro.to_bytes(32, "big"),
            payer=ticket.payer,
        )

    def waive(self, charged: Charged) -> Json:
        """The ticket of a payment; the broker knows whether a lone half of it is disputed."""
        return {"waived": charged.reference.split(":")[1]}

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """The tickets of these claims."""
        return Keys(records=tuple(sorted({ticket_key(_ticket_id_of(claim)) for claim in claims})))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One claim message a ticket: it and its highest link, odd ones too.

        A vendor that kept its odd links back would make withholding free for its payers. A ticket
        that is forgotten by now is named by its id: the broker refuses that claim for good.
        """
        messages: list[Json] = []
        for claim in claims:
            ticket_id = _ticket_id_of(claim)
            kept = memory.records.get(ticket_key(ticket_id))
            ticket = ticket_id if kept is None else codec.read_json(kept)
            word = codec.b64u(claim.body)
            messages.append({"index": claim.order, "ticket": ticket, "word": word})
        return messages

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `mac:` of the ticket's payer over `statement`."""
        secret = self.setting.ring.current(VENDOR_KEY).secret
        expected = mac(MAC_BYTES, outcome_key(receipt_key(secret, owner.decode())), statement)
        require_equal("outcome_proof_wrong", read_proof(proof, "mac"), expected)


@lru_cache(maxsize=CHAINS_CACHED)
def _keys_of(ticket_id: str) -> Keys:
    return Keys(counters=(counter_id(ticket_id),))


@lru_cache(maxsize=CHAINS_CACHED)
def _names_of(secret: bytes, ticket_id: str) -> tuple[bytes, bytes, bytes]:
    """What every payment with a ticket has: its counter, its owner's name, its receipts' key."""
    return counter_id(ticket_id), ticket_id.encode(), receipt_key(secret, ticket_id)


def _price_differs(unit_micro: int, price_micro: int) -> Refusal:
    if unit_micro < price_micro:
        return Underpaid("amount_below_price", f"the price is {price_micro} micro-units")
    return OutOfRange("unit_above_price", "get a ticket whose unit is the price")


def _ticket_id_of(claim: Claim) -> str:
    return claim.key[len(b"fairchain") :].decode()
