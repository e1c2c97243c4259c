"""The payer's side of the fair chain: an escrow, tickets out of it, and two links a page.

Two kinds of instrument: an escrow (for any vendor) and a ticket (for one vendor, one price and a
day). Before the first payment to a vendor the broker is asked for a ticket (`AskFirst`).
"""

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac
from farthing.errors import Expired, Forged, Malformed, NotYetValid, OutOfRange
from farthing.schemes.chain.fairchain.ticket import (
    ESCROW_MICRO_MAX,
    KEY_BYTES,
    MAC_BYTES,
    SUBMIT_S,
    TRAITS,
    UNITS_MAX,
    Ticket,
    outcome_key,
    seed_of,
    word_at,
)
from farthing.schemes.chain.times import DAY_S, LAPSE_S, SKEW_S
from farthing.schemes.contract import (
    Accepted,
    Asked,
    AskFirst,
    At,
    Binding,
    Burned,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
)
from farthing.schemes.proofs import write_proof

UNITS_MIN = 10  # of a ticket, where the escrow has so many: fewer and the broker is asked often
SHARE = 4  # a ticket takes this part of the escrow at most, so that other vendors have some


class Pouch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An escrow: the mint's answer to an opening, and what is left of it."""

    ends_at_s: int
    escrow: str
    key: str
    """K_PB, base64url."""
    left_micro: int = 0

    def __repr__(self) -> str:
        """Name and rest only."""
        return f"Pouch({self.escrow}, {self.left_micro})"


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A ticket: the mint's answer, its chain, and how far it is spent."""

    receipt_key: str
    """k_t, base64url."""
    seed: str = ""
    spent: int = 0
    """Units that were paid and taken."""
    ticket: Ticket

    def __repr__(self) -> str:
        """Vendor and spent units only."""
        return f"Held({self.ticket.vendor}, {self.spent})"


class Tickets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to an order."""

    tickets: tuple[Held, ...]


_POUCH, _HELD, _TICKETS = codec.Reader(Pouch), codec.Reader(Held), codec.Reader(Tickets)


class FairPurse(Purse):
    """One wallet's fair chains at one broker."""

    traits = TRAITS
    releases = True
    returns_after_s = DAY_S + SUBMIT_S + DAY_S  # when a ticket is over, and its window

    def ask(self, need: Need, at: At) -> Asked:
        """An escrow of the need; `OutOfRange` above what one may hold."""
        if need.amount_micro > ESCROW_MICRO_MAX:
            raise OutOfRange("escrow_out_of_range", "open several escrows")
        return Asked(operation="issue", message={"amountMicro": need.amount_micro})

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...]:
        """The escrow; or the rest of it with the tickets that were ordered; `Forged`, `Malformed`.

        Of what is given back nothing is left here.
        """
        if asked.operation == "take_back":
            return ()
        if not asked.kept:
            pouch = _POUCH.convert(answer)
            codec.unb64u(pouch.key, size_bytes=KEY_BYTES)
            if pouch.left_micro:
                raise Malformed("payload_malformed", "an answer does not say what is left")
            amount_micro = asked.message["amountMicro"]
            return (self._general(msgspec.structs.replace(pouch, left_micro=amount_micro)),)
        pouch, tickets = self._ordered(asked, answer)
        rest = (self._general(pouch),) if pouch.left_micro else ()
        return (*rest, *(self._instrument(held) for held in tickets))

    def _ordered(self, asked: Asked, answer: Json) -> tuple[Pouch, tuple[Held, ...]]:
        """What is left of the escrow, and the tickets; `Forged` for others than were ordered."""
        pouch = _POUCH.read(asked.kept)
        key = codec.unb64u(pouch.key)
        found = _TICKETS.convert(answer).tickets
        wanted = [tuple(want) for want in asked.message["wants"]]
        if [(h.ticket.vendor, h.ticket.unit_micro, h.ticket.units) for h in found] != wanted:
            raise Forged("ticket_not_as_ordered", "the broker assigned another range")
        own: list[Held] = []
        for held in found:
            ticket = held.ticket
            if (ticket.broker, ticket.currency) != (self.setting.broker_id, self.setting.currency):
                raise Forged("ticket_not_as_ordered", "a ticket of another broker")
            codec.unb64u(held.receipt_key, size_bytes=KEY_BYTES)
            seed = seed_of(key, ticket)
            if codec.b64u(word_at(ticket, seed, 0)) != ticket.root:
                raise Forged("ticket_not_ours", "this chain does not follow from our key")
            own.append(msgspec.structs.replace(held, seed=codec.b64u(seed), spent=0))
        left_micro = pouch.left_micro - sum(held.ticket.worth_micro for held in own)
        return msgspec.structs.replace(pouch, left_micro=left_micro), tuple(own)

    def _general(self, pouch: Pouch) -> Instrument:
        return Instrument(
            id=f"fc:{pouch.escrow}",
            scheme=self.traits.name,
            vendor_id="",
            currency=self.setting.currency,
            worth_micro=pouch.left_micro,
            expires_at_s=pouch.ends_at_s,
            body=codec.canonical(pouch),
        )

    def _instrument(self, held: Held) -> Instrument:
        ticket = held.ticket
        return Instrument(
            id=f"fct:{ticket.id}",
            scheme=self.traits.name,
            vendor_id=ticket.vendor,
            currency=ticket.currency,
            worth_micro=(ticket.units - held.spent) * ticket.unit_micro,
            expires_at_s=ticket.ends_at_s,
            body=codec.canonical(held),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid | AskFirst:
        """The commit half of the next unit; out of an escrow the order for a ticket comes first.

        `OutOfRange` for a ticket with another unit or without one, `Expired`, `Forged`.
        """
        if instrument.vendor_id:
            return self._commit(_HELD.read(instrument.body), instrument, offer, at)
        asked = self._order(_POUCH.read(instrument.body), offer, at)
        if answer is None:
            return AskFirst(asked=asked)
        pouch, (held,) = self._ordered(asked, answer)
        paid = self._commit(held, self._instrument(held), offer, at)
        rest = self._general(pouch) if pouch.left_micro else None
        return msgspec.structs.replace(paid, general=rest)

    def _order(self, pouch: Pouch, offer: Offer, at: At) -> Asked:
        """A ticket for this vendor and price: some of the escrow, not all of it if it is large."""
        unit_micro = offer.price_micro
        units = pouch.left_micro // unit_micro
        if at.now_s >= pouch.ends_at_s:
            raise Expired("escrow_over", "open another escrow")
        if not units:
            raise OutOfRange("escrow_used_up", "open another escrow")
        units = min(units, UNITS_MAX, max(UNITS_MIN, units // SHARE))
        message = {"escrow": pouch.escrow, "wants": [[offer.vendor_id, unit_micro, units]]}
        return Asked(operation="issue", message=message, kept=codec.canonical(pouch))

    def _commit(self, held: Held, spent: Instrument, offer: Offer, at: At) -> Paid:
        ticket, unit = held.ticket, held.spent
        if at.now_s >= ticket.ends_at_s:
            raise Expired("ticket_expired", "get another ticket")
        if ticket.unit_micro != offer.price_micro:
            raise OutOfRange("unit_is_not_the_price", "get a ticket whose unit is the price")
        if unit >= ticket.units:
            raise OutOfRange("ticket_used_up", "get another ticket")
        commit = _payload(held, 2 * unit + 1)
        if unit == 0:
            commit["ticket"] = msgspec.to_builtins(ticket)
        after = msgspec.structs.replace(held, spent=unit + 1)
        return Paid(
            payload=commit,
            spent=spent,
            after=self._instrument(after) if after.spent < ticket.units else None,
            kept=codec.canonical(_payload(held, 2 * unit + 2)),
        )

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The ticket at its next unit, and the release half, if the commit half was taken."""
        if isinstance(conclusion, Burned):
            return Concluded()
        if not isinstance(conclusion, Accepted):
            return Concluded(instruments=(paid.spent,))
        left = (paid.after,) if paid.after is not None else ()
        return Concluded(instruments=left, release=codec.read_json(paid.kept))

    def give_way(self, release: Json) -> Asked:
        """The release half, by the name that it has at the broker."""
        shown = {"index": release["index"], "word": release["word"]}
        message = shown | {"released": release["ticket"]}
        return Asked(operation="take_back", message=message)

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`mac:` under a key that follows from the ticket's."""
        key = outcome_key(self.receipt_key(instrument))
        return write_proof("mac", mac(MAC_BYTES, key, statement))

    def receipt_key(self, instrument: Instrument) -> bytes:
        """k_t of a ticket; empty for an escrow, which nobody gives a receipt for."""
        if not instrument.vendor_id:
            return b""
        return codec.unb64u(_HELD.read(instrument.body).receipt_key, size_bytes=KEY_BYTES)

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """What of an escrow no ticket has taken.

        A ticket's rest comes back by itself, once its vendor can submit nothing any more: until
        then `NotYetValid`, and then only the ticket is left to be put away.
        """
        if not instrument.vendor_id:
            name = _POUCH.read(instrument.body).escrow
            return Asked(operation="take_back", message={"escrow": name})
        if at.now_s < instrument.expires_at_s + SUBMIT_S + SKEW_S + LAPSE_S:
            raise NotYetValid(
                "ticket_not_over", "the rest of a ticket comes back by itself, a day after its end"
            )
        ticket_id = _HELD.read(instrument.body).ticket.id
        return Asked(operation="take_back", message={"ticket": ticket_id})


def _payload(held: Held, index: int) -> dict[str, Json]:
    seed = codec.unb64u(held.seed, size_bytes=chain.WORD_BYTES)
    word = word_at(held.ticket, seed, index)
    return {"index": index, "ticket": held.ticket.id, "word": codec.b64u(word)}
