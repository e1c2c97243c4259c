"""The vendor's side: a chain of its own in each offer, and a draw for each ticket.

Beside the counter is what every chain keeps, then ``seed(16) session(16) prize_micro(8) odds(8)``.
Losers are dropped; each winner is a claim of its own, with both words.
"""

import hashlib
import struct
from functools import lru_cache
from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac
from farthing.errors import (
    Closed,
    Forged,
    Misconfigured,
    Mismatch,
    OutOfRange,
    Underpaid,
)
from farthing.marks import Advance, Claim, Keys, Mark, Memory, Once, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import (
    CHAINS_CACHED,
    WORD_BYTES,
    Kept,
    pack,
    require_step,
)
from farthing.schemes.chain.credit.till import CreditTill
from farthing.schemes.chain.ticket.commitment import (
    FAMILY,
    LENGTH_MAX,
    ODDS_MAX,
    TRAITS,
    Payment,
    TicketCommitment,
    counter_id,
    is_win,
)
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import At, Binding, Json, Offer, Setting, Taken

SEED_KEY = "farthing/lottery-chain/seed/1"
SESSION_TAG = "farthing/lottery-chain/session/1"
LENGTH = 256  # tickets of a session: an offer costs the vendor so many hashes
ODDS = 100
VENDOR_CHAINS_CACHED = 4096  # of 4 KiB each: a payment then makes no word of the vendor's anew

_MORE = struct.Struct(">16s16sQQ")


class Drawn(Kept):
    """Of one chain what it is drawn against: `counters.Kept`, then four fields."""

    __slots__ = ("odds", "prize_micro", "seed", "session")

    def __init__(self, raw: bytes) -> None:
        """From the end of what a till has made at the opening."""
        super().__init__(raw[: -_MORE.size])
        self.raw = raw
        self.seed, self.session, self.prize_micro, self.odds = _MORE.unpack(raw[-_MORE.size :])


drawn_of = lru_cache(maxsize=CHAINS_CACHED)(Drawn)


@lru_cache(maxsize=CHAINS_CACHED)
def _keys_of(commitment_id: str) -> Keys:
    """What a later payment reads."""
    return Keys(counters=(counter_id(commitment_id),))


@lru_cache(maxsize=VENDOR_CHAINS_CACHED)
def vendor_words(seed: bytes, session: bytes) -> bytes:
    """The words 0 to `LENGTH` of the vendor's chain, one after the other."""
    key, word = chain.link_key(session), seed
    words = [word]
    for index in range(LENGTH, 0, -1):
        word = chain.descend(key, word, index, index - 1)
        words.append(word)
    return b"".join(reversed(words))


class TicketTill(CreditTill):
    """One vendor's till; option `odds` says that one ticket in so many wins."""

    traits = TRAITS
    family = FAMILY
    sealing = (SEED_KEY,)
    _payments = codec.Reader(Payment)

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for odds or a prize out of range."""
        super().__init__(setting)
        odds = setting.options.get("odds", ODDS)
        if type(odds) is not int or not 0 < odds <= ODDS_MAX:
            told = f"odds are 1 to {ODDS_MAX}: one ticket in so many wins"
            raise Misconfigured("odds_out_of_range", told, option="odds")
        if odds * self.unit_micro > PAYMENT_MICRO_MAX:
            raise Misconfigured("prize_out_of_range", "unit times odds is too much", option="odds")
        self.odds = odds
        self._prefix = FAMILY.tag.encode()

    def offer(self, price_micro: int, at: At) -> Offer:
        """With the root of a fresh chain; `OutOfRange` where the price is no number of tickets."""
        if price_micro > LENGTH * self.unit_micro:
            raise OutOfRange("price_above_chain", f"at most {LENGTH} tickets for a page")
        offer = super().offer(price_micro, at)
        is_sure = self.odds == 1
        return msgspec.structs.replace(offer, settlement="deferred" if is_sure else "probabilistic")

    def terms(self, at: At) -> dict[str, Json]:
        """Prize, odds, and the vendor's root, out before the payer commits."""
        raw = codec.enc(SESSION_TAG, self.setting.vendor_id, at.now_s, at.entropy)
        session = hashlib.sha256(raw).digest()[: chain.SALT_BYTES]
        seed = self._seed(self.setting.ring.current(SEED_KEY).secret, session)
        return {
            "faceMicro": self.unit_micro * self.odds,
            "length": LENGTH,
            "session": codec.b64u(session),
            "vendorRoot": codec.b64u(chain.root_of(session, seed, LENGTH)),
            "winDenominator": self.odds,
            "winNumerator": 1,
        }

    def _seed(self, secret: bytes, session: bytes) -> bytes:
        return mac(WORD_BYTES, secret, SEED_KEY, self.setting.vendor_id, session)

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return self._payments.read(payload)

    def recall(self, payment: Payment) -> Keys:
        """The counter of the chain; at an opening the hot list too."""
        commitment = payment.commitment
        if isinstance(commitment, str):
            return _keys_of(commitment)
        key = self.family.revoked_key(commitment.certificate.serial)
        return Keys(counters=(commitment.counter_id,), records=(key,))

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify, and draw every ticket; `Closed`, `Mismatch`, `Replayed`, `OutOfRange`."""
        commitment, index = payment.commitment, payment.index
        opening: bytes | None = None
        if isinstance(commitment, str):
            commitment_id = commitment
        else:
            self.require_unrevoked(commitment, memory)
            commitment_id, opening = commitment.id, self._open(commitment, at)
        mark_id = counter_id(commitment_id)
        place = memory.counters.get(mark_id)
        record = place.link if place is not None else opening
        if record is None:
            raise Closed("commitment_unknown", "send the commitment itself with this payment")
        last = place.to if place is not None else 0
        kept = drawn_of(record[WORD_BYTES:])
        require_step(kept, index, last, at.now_s, SKEW_S, LENGTH_MAX)
        word = codec.unb64u(payment.word, size_bytes=WORD_BYTES)
        value_micro = kept.prize_micro // kept.odds * (index - last)
        if value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        claims = self._draw(mark_id, kept, last, index, word, record[:WORD_BYTES])
        until_s = kept.until_s
        link = word + kept.raw
        marks: list[Mark] = [Advance(id=mark_id, over=last, to=index, link=link, until_s=until_s)]
        records: tuple[Put, ...] = ()
        if place is None:
            assert isinstance(commitment, TicketCommitment), "only the object opens a chain"
            marks += [
                *commitment.slot_marks(),
                Once(id=self._prefix + b"/root" + record[:WORD_BYTES], until_s=until_s),
                Once(id=self._prefix + b"/session" + kept.session, until_s=until_s),
            ]
            key = self._record_key(commitment_id.encode())
            records = (Put(key=key, value=codec.canonical(commitment), until_s=until_s),)
        return Taken(
            value_micro=value_micro,
            reference=f"{self.family.short}:{commitment_id}:{index}",
            payer=kept.payer,
            owner=kept.public_key,
            marks=tuple(marks),
            until_s=until_s,
            records=records,
            claims=claims,
            value_moved=True,
        )

    def _draw(
        self,
        mark_id: bytes,
        kept: Drawn,
        last: int,
        index: int,
        word: bytes,
        last_word: bytes,
    ) -> tuple[Claim, ...]:
        """A claim for each ticket of this jump that wins; `Forged` for a word of another chain."""
        words, odds = vendor_words(kept.seed, kept.session), kept.odds
        claims: tuple[Claim, ...] = ()
        for ticket in range(index, last, -1):
            vendor_word = words[ticket * WORD_BYTES : (ticket + 1) * WORD_BYTES]
            if is_win(ticket, word, vendor_word, odds):
                claim = Claim(
                    scheme=self.traits.name,
                    key=mark_id + ticket.to_bytes(8, "big"),
                    order=ticket,
                    value_micro=kept.prize_micro,
                    body=word + vendor_word,
                    moment="batch",
                )
                claims = (claim, *claims)
            word = chain.before(kept.key, word, ticket)
        if word != last_word:
            raise Forged("word_does_not_hash_to_last", "this word is not of the committed chain")
        return claims

    def _open(self, commitment: TicketCommitment, at: At) -> bytes:
        """Check a commitment; what is kept of it. `Mismatch` unless it is against our own chain."""
        self.admit(commitment, at)
        if (commitment.unit_micro, commitment.odds) != (self.unit_micro, self.odds):
            raise Mismatch("odds_not_as_offered", "commit to the odds and the unit of the offer")
        if commitment.length > LENGTH:
            raise OutOfRange("chain_too_long", f"a session has {LENGTH} tickets")
        root, key, vendor_root, _ = commitment.words()
        session = codec.unb64u(commitment.session, size_bytes=chain.SALT_BYTES)
        for own in self.setting.ring.known(SEED_KEY):
            seed = self._seed(own.secret, session)
            if vendor_words(seed, session)[:WORD_BYTES] == vendor_root:
                break
        else:
            raise Mismatch("vendor_root_unknown", "commit to the root of an offer of this vendor")
        record = pack(
            word=root,
            key=key,
            length=commitment.length,
            ends_at_s=commitment.ends_at_s,
            payer=commitment.certificate.payer,
            public_key=codec.unb64u(commitment.certificate.public_key, size_bytes=32),
        )
        return record + _MORE.pack(seed, session, commitment.prize_micro, commitment.odds)

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """The commitments of these claims."""
        ids = {claim.key[len(self._prefix) : -8] for claim in claims}
        return Keys(records=tuple(self._record_key(found) for found in sorted(ids)))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One claim message for each winner."""
        messages: list[Json] = []
        for claim in claims:
            commitment_id = claim.key[len(self._prefix) : -8]
            kept = memory.records.get(self._record_key(commitment_id))
            # What is forgotten by now is not paid any more: named by its id, it is refused.
            commitment: Any = commitment_id.decode() if kept is None else codec.read_json(kept)
            message = {
                "commitment": commitment,
                "index": claim.order,
                "vendorWord": codec.b64u(claim.body[WORD_BYTES:]),
                "word": codec.b64u(claim.body[:WORD_BYTES]),
            }
            messages.append(message)
        return messages

    def _record_key(self, commitment_id: bytes) -> bytes:
        return self._prefix + b"/commitment/" + commitment_id
