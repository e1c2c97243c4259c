"""The vendor's side of PayWord: one counter per chain, one hash per link, claims of the last word.

The first payment carries the commitment; its two signatures are checked once and what later
payments need is kept with each chain's counter (`counters.py`). A later payment names
the commitment by its id. The commitment itself is a record that the sweep joins to the claims.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import (
    Closed,
    Malformed,
    Misconfigured,
    OutOfRange,
    Refusal,
    Revoked,
    Unavailable,
    Underpaid,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.marks import Advance, Claim, Keys, Mark, Memory, Once, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import Kept, pack, require_step
from farthing.schemes.chain.payword.commitment import (
    CERTIFICATE_KEY,
    CHAINS_MAX,
    DAY_S,
    DISPUTE_S,
    SKEW_S,
    SUBMIT_S,
    TRAITS,
    Commitment,
    Link,
    counter_id,
    require_day,
    require_vouched,
    revoked_key,
    verify_certificate,
    verify_commitment,
)
from farthing.schemes.contract import At, Binding, Charged, Json, Offer, Setting, Taken, Till

ID_CHARS = 22  # 16 bytes in base64url
UNIT_MICRO = 100  # default worth of a word: 0.01 cent
STEPS_MAX = 1000  # links in one payment: bounds the hashing that a payer can make us do


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`commitment`: the object in the first payment, its id (base64url of 16 bytes) later."""

    commitment: Commitment | str
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        """`Unfit` for no links, too many, or a denomination twice."""
        if isinstance(self.commitment, str) and len(self.commitment) != ID_CHARS:
            raise Unfit("commitment_id_malformed", f"an id is {ID_CHARS} characters of base64url")
        if len(self.links) != 1:
            if not 1 <= len(self.links) <= CHAINS_MAX:
                raise Unfit("link_count_out_of_range", f"a payment has 1 to {CHAINS_MAX} links")
            if len({denomination for denomination, _, _ in self.links}) != len(self.links):
                raise Unfit("denomination_repeated", "one link for each chain")
        for denomination, index, _ in self.links:
            if not 0 < denomination <= PAYMENT_MICRO_MAX or index < 0:
                raise Unfit("link_out_of_range", "denominations and indices are above zero")

    def __repr__(self) -> str:
        """Denominations and indices only: a word is worth money."""
        return f"Payment({[link[:2] for link in self.links]})"


_READER = codec.Reader(Payment)


def record_key(commitment_id: bytes) -> bytes:
    """Where a gate keeps the commitment for the sweep; the id as it travels, in ASCII."""
    return b"payword/commitment/" + commitment_id


class PaywordTill(Till):
    """One vendor's till. Its one option is `unit_micro`, what a word is worth here."""

    traits = TRAITS

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for a unit that is not an amount."""
        super().__init__(setting)
        unit_micro = setting.options.get("unit_micro", UNIT_MICRO)
        if type(unit_micro) is not int or not 0 < unit_micro <= PAYMENT_MICRO_MAX:
            raise Misconfigured(
                "unit_out_of_range", "unit_micro is a number of micro-units", option="unit_micro"
            )
        self.unit_micro = unit_micro

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` unless the price is a multiple of the unit and within one jump."""
        unit = self.unit_micro
        if price_micro % unit or not 0 < price_micro // unit <= STEPS_MAX:
            raise OutOfRange("price_not_in_units", f"PayWord here counts in {unit} micro-units")
        ends_at_s = (at.now_s // DAY_S + 1) * DAY_S
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="deferred",
            redeem_by_s=ends_at_s + SUBMIT_S,
            terms={"maxSteps": STEPS_MAX, "unitMicro": unit},
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return _READER.read(payload)

    def recall(self, payment: Payment) -> Keys:
        """The counters of every chain that the payment names; at an opening the hot list too."""
        commitment = payment.commitment
        if isinstance(commitment, str):
            # An id that nobody was given, or spelled otherwise, names no counter.
            return Keys(counters=tuple([counter_id(commitment, d) for d, _, _ in payment.links]))
        commitment_id = commitment.id
        return Keys(
            counters=tuple(counter_id(commitment_id, value) for value, _, _ in commitment.chains),
            records=(revoked_key(commitment.certificate.serial),),
        )

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `Closed`, `Expired`, `Replayed`, `OutOfRange`, `JumpTooLong`, and so on."""
        if memory.records:
            raise Revoked("certificate_revoked", "the broker has put this certificate on its list")
        commitment = payment.commitment
        opening: dict[int, Kept] = {}
        if isinstance(commitment, str):
            commitment_id = commitment
        else:
            commitment_id, opening = commitment.id, self._open(commitment, at)
        marks: list[Mark] = []
        claims: list[Claim] = []
        value_micro = 0
        kept: Kept | None = None
        for denomination, index, text in payment.links:
            mark_id = counter_id(commitment_id, denomination)
            place = memory.counters.get(mark_id)
            last = place.to if place is not None else 0
            kept = Kept(place.link) if place is not None else opening.get(denomination)
            if kept is None:
                raise _unknown_chain(is_opening=bool(opening))
            require_step(kept, index, last, at.now_s, skew_s=SKEW_S, steps_max=STEPS_MAX)
            word = codec.unb64u(text, size_bytes=chain.WORD_BYTES)
            chain.verify_word(kept.key, word, index, kept.word, last)
            value_micro += denomination * (index - last)
            marks.append(_advance(mark_id, last, index, kept, word))
            claims.append(_claim(mark_id, denomination * index, index, word))
        assert kept is not None, "a payment has a link"
        if value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        until_s = kept.ends_at_s + SKEW_S + DISPUTE_S
        records: tuple[Put, ...] = ()
        if opening and not memory.counters:
            assert isinstance(commitment, Commitment), "only the object opens chains"
            marks += _untouched(commitment, payment.links, opening)
            body = codec.canonical(commitment)
            key = record_key(commitment_id.encode())
            records = (Put(key=key, value=body, until_s=until_s),)
        return Taken(
            value_micro=value_micro,
            reference=f"pw:{commitment_id}:{_places(payment.links, self.unit_micro)}",
            payer=kept.payer,
            owner=kept.public_key,
            marks=tuple(marks),
            until_s=until_s,
            records=records,
            claims=tuple(claims),
            value_moved=True,
        )

    def _open(self, commitment: Commitment, at: At) -> dict[int, Kept]:
        """Check a commitment and derive what its chains need."""
        if commitment.vendor != self.setting.vendor_id:
            raise WrongVendor("commitment_for_another_vendor", "commit to this vendor")
        require_vouched(commitment, self.setting.broker_id, self.setting.currency)
        require_day(commitment, at.now_s)
        if self.setting.ring.find(CERTIFICATE_KEY, commitment.certificate.key_id) is None:
            raise Unavailable(
                "certificate_key_unknown", "the broker's keys are asked for; try again"
            )
        verify_certificate(commitment.certificate, self.setting.ring, at.now_s)
        verify_commitment(commitment)
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

    def endorse(self, payment: Payment, taken: Taken, memory: Memory, at: At) -> Json:
        """One claim message for every chain that this payment uses."""
        messages = [
            super(PaywordTill, self).endorse(
                payment, msgspec.structs.replace(taken, claims=(claim,)), memory, at
            )
            for claim in taken.claims
        ]
        links = [link for message in messages for link in message["links"]]
        return messages[0] | {"links": links}

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """The commitments of these claims."""
        ids = {claim.key[len(b"payword") : -8] for claim in claims}
        return Keys(records=tuple(record_key(found) for found in sorted(ids)))

    def refund_series(self, charged: Charged) -> str:
        """`Unsupported`: a word that is out cannot be taken back."""
        raise Unsupported(
            "refund_unsupported",
            "a PayWord chain only goes forward: sell the payer something else for less,"
            " or give the money back yourself",
        )

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One claim message per row: the commitment, and the last word of one chain.

        A commitment that is forgotten by now (no claim with it is paid any more) is named by its
        id: the broker refuses that claim for good, and the others are cleared.
        """
        messages: list[Json] = []
        for claim in claims:
            commitment_id = claim.key[len(b"payword") : -8]
            kept = memory.records.get(record_key(commitment_id))
            denomination = int.from_bytes(claim.key[-8:], "big")
            link = [denomination, claim.order, codec.b64u(claim.body)]
            commitment = commitment_id.decode() if kept is None else codec.read_json(kept)
            messages.append({"commitment": commitment, "links": [link]})
        return messages

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `ed25519:` of the certificate's key over `statement`."""
        kind, _, text = proof.partition(":")
        if kind != "ed25519":
            raise Malformed("outcome_proof_malformed", "PayWord proves with ed25519:")
        signing.verify(owner, statement, codec.unb64u(text, size_bytes=64))


def _unknown_chain(*, is_opening: bool) -> Refusal:
    if is_opening:
        return OutOfRange("denomination_unknown", "the commitment has no such chain")
    return Closed("commitment_unknown", "send the commitment itself with this payment")


def _places(links: tuple[Link, ...], unit_micro: int) -> str:
    """The indices paid up to; a denomination other than the till's own is named."""
    return ",".join([f"{i}" if d == unit_micro else f"{i}x{d}" for d, i, _ in links])


def _advance(mark_id: bytes, last: int, index: int, kept: Kept, word: bytes) -> Advance:
    return Advance(
        id=mark_id,
        over=last,
        to=index,
        link=kept.with_word(word),
        until_s=kept.ends_at_s + SKEW_S + DISPUTE_S,
    )


def _untouched(
    commitment: Commitment, links: tuple[Link, ...], opening: dict[int, Kept]
) -> list[Mark]:
    """At the opening: roots and slots are used up, and every other chain has its counter at 0."""
    paid = {denomination for denomination, _, _ in links}
    serial, day = commitment.certificate.serial, commitment.day
    until_s = commitment.ends_at_s + SKEW_S + DISPUTE_S
    marks: list[Mark] = [
        Once(id=b"payword/slot" + codec.enc(serial, day, slot), until_s=until_s)
        for slot in commitment.taken_slots
    ]
    for denomination, kept in opening.items():
        marks.append(Once(id=b"payword/root" + kept.word, until_s=until_s))
        if denomination not in paid:
            mark_id = counter_id(commitment.id, denomination)
            marks.append(_advance(mark_id, 0, 0, kept, kept.word))
    return marks


def _claim(mark_id: bytes, worth_micro: int, index: int, word: bytes) -> Claim:
    """The last word of one chain; a later one supersedes it."""
    return Claim(
        scheme=TRAITS.name,
        key=mark_id,
        order=index,
        value_micro=worth_micro,
        body=word,
        moment="batch",
    )
