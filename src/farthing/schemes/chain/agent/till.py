"""The vendor's side of A Micropayment System: a counter a segment, a hash a token, the list always.

The first payment carries the opening; its two signatures and the path are checked once and what
later payments need is kept with each segment's counter. A later payment names the certificate by
its serial. Every payment consults the broker's list of revocations, which must be fresh.

An opening is reported at once, and tokens on it in batches. Until the broker has acknowledged it
another vendor may have reported one of the same segment, so a payment that brings a segment above
`unacknowledged_micro_max` clears before the goods go out; then the segment counts as acknowledged.
"""

import struct
from contextlib import suppress
from functools import lru_cache

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import (
    Closed,
    Malformed,
    Misconfigured,
    NotYetValid,
    OutOfRange,
    Revoked,
    Unavailable,
    Underpaid,
    Unfit,
    WrongVendor,
)
from farthing.marks import Advance, Claim, Keys, Memory, Moment, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.agent.authorization import (
    AUTHORIZATION_KEY,
    AUTHORIZATION_PREFIX,
    number_of,
    record_of,
)
from farthing.schemes.chain.agent.certificate import (
    CERTIFICATE_KEY,
    OPENED_MAX,
    TRAITS,
    Opening,
    Token,
    counter_id,
    require_current,
    require_vouched,
    revoked_key,
    salt_of,
    verify_certificate,
    verify_opening,
)
from farthing.schemes.chain.counters import (
    CHAINS_CACHED,
    WORD_BYTES,
    Kept,
    pack,
    require_step,
    verify_next,
)
from farthing.schemes.chain.pricing import require_price
from farthing.schemes.chain.till import ChainTill
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import (
    At,
    Binding,
    Finished,
    Json,
    Offer,
    Setting,
    Taken,
)
from farthing.schemes.proofs import read_proof
from farthing.schemes.revocations import require_fresh, state_key

SERIAL_CHARS_MAX = 32
TOKENS_MAX = OPENED_MAX + 1  # segments in one payment: the rest of one, and what is opened
UNIT_MICRO = 100  # default worth of a token: 0.01 cent
STEPS_MAX = 1000  # tokens in one payment: bounds the hashing that a payer can make us do
UNACKNOWLEDGED_MICRO_MAX = 10_000  # a cent
MODES = ("generic", "specific")

_LIST = state_key(TRAITS.name)
_MORE = struct.Struct(">Q16sB")


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`opening`: the object in the first payment, the certificate's serial later."""

    opening: Opening | str
    tokens: tuple[Token, ...]

    def __post_init__(self) -> None:
        """`Unfit` for no tokens, too many, or segments out of order."""
        if isinstance(self.opening, str) and not 0 < len(self.opening) <= SERIAL_CHARS_MAX:
            raise Unfit("serial_malformed", f"a serial has up to {SERIAL_CHARS_MAX} characters")
        last = -1
        for segment, position, _ in self.tokens:
            if not last < segment < 2**32 or position < 0:
                raise Unfit("segments_not_canonical", "segments rise, each once")
            last = segment
        if not 1 <= len(self.tokens) <= TOKENS_MAX:
            raise Unfit("token_count_out_of_range", f"a payment has 1 to {TOKENS_MAX} tokens")

    def __repr__(self) -> str:
        """Segments and positions only: a token is worth money."""
        return f"Payment({[token[:2] for token in self.tokens]})"


_READER = codec.Reader(Payment)


class Held(Kept):
    """The record of one segment: `counters.Kept`, then unit(8) opening(16) acknowledged(1)."""

    __slots__ = ("is_acknowledged", "opening", "unit_micro")

    def __init__(self, raw: bytes) -> None:
        """From the end of what `hold` made."""
        super().__init__(raw[: -_MORE.size])
        self.raw = raw
        self.unit_micro, self.opening, acknowledged = _MORE.unpack(raw[-_MORE.size :])
        self.is_acknowledged = bool(acknowledged)

    def acknowledged(self) -> "Held":
        """The same once the broker has acknowledged the opening."""
        return Held(self.raw[: -_MORE.size] + _MORE.pack(self.unit_micro, self.opening, 1))


held_of = lru_cache(maxsize=CHAINS_CACHED)(Held)


def hold(opening: Opening, segment: int) -> bytes:
    """The record of a segment that is opened."""
    certificate = opening.certificate
    record = pack(
        word=opening.root_of(segment),
        key=chain.link_key(salt_of(certificate.serial, segment)),
        length=certificate.tokens_in(segment),
        ends_at_s=certificate.expires_at_s,
        public_key=codec.unb64u(certificate.public_key, size_bytes=32),
        payer="",
    )
    return record + _MORE.pack(certificate.unit_micro, opening_id(opening), 0)


@lru_cache(maxsize=CHAINS_CACHED)
def _keys_of(serial: str, segment: int) -> Keys:
    """What a payment out of one segment reads."""
    return Keys(counters=(counter_id(serial, segment),), records=(_LIST, revoked_key(serial)))


def opening_id(opening: Opening) -> bytes:
    """What names an opening, 16 bytes: another one of the same segments does not take its place."""
    return codec.digest(opening)[:16]


def opening_key(serial: bytes, named: bytes) -> bytes:
    """Where a gate keeps an opening for the sweep."""
    return b"agent/opening/%b/%b" % (serial, named)


class AgentTill(ChainTill):
    """One vendor's till.

    Options: `mode` (generic: any vendor's tokens; specific: tokens for this vendor only),
    `unit_micro`, what a token is worth here, `unacknowledged_micro_max`, and `authorize`: whether
    payments buy an authorization number.
    """

    traits = TRAITS
    sealing = (AUTHORIZATION_KEY,)
    tabled = AUTHORIZATION_PREFIX

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for an option out of range."""
        super().__init__(setting)
        self.mode = setting.options.get("mode", MODES[0])
        if self.mode not in MODES:
            raise Misconfigured("mode_unknown", f"mode is one of {MODES}", option="mode")
        self.unit_micro = _micro(setting, "unit_micro", UNIT_MICRO, 1)
        self.authorizes = setting.options.get("authorize", False)
        if type(self.authorizes) is not bool:
            raise Misconfigured(
                "option_out_of_range", "authorize is true or false", option="authorize"
            )
        name = "unacknowledged_micro_max"
        self.trusted_micro = _micro(setting, name, UNACKNOWLEDGED_MICRO_MAX, 0)

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` unless the price is a multiple of the unit and within one jump."""
        unit = self.unit_micro
        require_price(price_micro, unit, STEPS_MAX)
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="deferred",
            terms={"maxSteps": STEPS_MAX, "mode": self.mode, "unitMicro": unit},
        )

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return _READER.read(payload)

    def recall(self, payment: Payment) -> Keys:
        """The counters of its segments, and the list: the certificate's name, and its age."""
        opening = payment.opening
        serial = opening if isinstance(opening, str) else opening.certificate.serial
        tokens = payment.tokens
        if len(tokens) == 1:  # as nearly all payments have
            return _keys_of(serial, tokens[0][0])
        counters = tuple([counter_id(serial, segment) for segment, _, _ in tokens])
        return Keys(counters=counters, records=(_LIST, revoked_key(serial)))

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `Unavailable`, `Revoked`, `Closed`, `Replayed`, `OutOfRange`, and so on."""
        require_fresh(memory, _LIST, at.now_s)
        if len(memory.records) > 1:
            raise Revoked("certificate_revoked", "the broker has put this certificate on its list")
        opening, fresh = payment.opening, _NONE
        if isinstance(opening, str):
            serial = opening
        else:
            serial, fresh = opening.certificate.serial, self._open(opening, payment, at)
        marks: list[Advance] = []
        claims: list[Claim] = []
        value_micro = until_s = steps = 0
        moment: Moment = "during" if fresh else "batch"
        owner = b""
        for segment, position, text in payment.tokens:
            mark_id = counter_id(serial, segment)
            place = memory.counters.get(mark_id)
            if place is not None:
                last, record = place.to, place.link
            elif segment in fresh:
                last, record = 0, fresh[segment]
            else:
                raise Closed("segment_unknown", "send the opening itself with this payment")
            held = held_of(record[WORD_BYTES:])
            steps = require_step(held, position, last, at.now_s, SKEW_S, STEPS_MAX, steps)
            token = verify_next(held, record, last, position, text)
            worth_micro = position * held.unit_micro
            value_micro += worth_micro - last * held.unit_micro
            if worth_micro > self.trusted_micro and not held.is_acknowledged:
                moment, held = "before", held.acknowledged()
            until_s = held.until_s
            marks.append(
                Advance(id=mark_id, over=last, to=position, link=token + held.raw, until_s=until_s)
            )
            claims.append(
                Claim(
                    scheme=TRAITS.name,
                    key=mark_id,
                    order=position,
                    value_micro=worth_micro,
                    body=token + held.opening,
                    moment=moment,
                )
            )
            owner = held.public_key
        if value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        segment, position, _ = payment.tokens[-1]
        reference = f"agent:{serial}:{segment}.{position}"
        records: tuple[Put, ...] = ()
        number = b""
        if fresh or self.authorizes:
            records, number = self._bought(opening, serial, reference, binding, until_s, at)
        return Taken(
            value_micro=value_micro,
            reference=reference,
            payer=serial,
            owner=owner,
            marks=tuple(marks),
            until_s=until_s,
            records=records,
            claims=tuple(claims),
            finishing=number,
            moment=moment,
            value_moved=True,
        )

    def _bought(
        self,
        opening: Opening | str,
        serial: str,
        reference: str,
        binding: Binding,
        until_s: int,
        at: At,
    ) -> tuple[tuple[Put, ...], bytes]:
        """What is written with the payment, and its authorization number where there is one."""
        records: tuple[Put, ...] = ()
        if not isinstance(opening, str):
            key = opening_key(serial.encode(), opening_id(opening))
            records = (Put(key=key, value=codec.canonical(opening), until_s=until_s),)
        if not self.authorizes:
            return records, b""
        secret = self.setting.ring.current(AUTHORIZATION_KEY).secret
        number = number_of(secret, reference, binding)
        return (*records, record_of(number, serial, binding, at.now_s)), number

    def finish(self, taken: Taken, redeemed: Json, at: At) -> Finished:
        """The authorization number, where the vendor gives them."""
        if not taken.finishing:
            return Finished()
        return Finished(released={"authorization": codec.b64u(taken.finishing)})

    def _open(self, opening: Opening, payment: Payment, at: At) -> dict[int, bytes]:
        """Check an opening; the record of each of its segments."""
        certificate, me = opening.certificate, self.setting.vendor_id
        if opening.vendor != me or certificate.vendor not in {"", me}:
            raise WrongVendor("tokens_for_another_vendor", "open a segment for this vendor")
        if self.mode == "specific" and not certificate.vendor:
            raise WrongVendor("tokens_not_specific", "this vendor takes tokens of its own only")
        if not set(opening.segments) <= {segment for segment, _, _ in payment.tokens}:
            raise OutOfRange("segment_not_paid_from", "open what this payment uses, no more")
        require_vouched(certificate, self.setting.broker_id, self.setting.currency)
        require_current(certificate, at.now_s)
        if opening.time_s > at.now_s + SKEW_S:  # nobody is paid for one that is dated too late
            raise NotYetValid("opening_not_yet_valid", "it is dated ahead; is the clock right?")
        if self.setting.ring.find(CERTIFICATE_KEY, certificate.key_id) is None:
            raise Unavailable(
                "certificate_key_unknown", "the broker's keys are asked for; try again"
            )
        verify_certificate(certificate, self.setting.ring)
        verify_opening(opening)
        return {segment: hold(opening, segment) for segment in opening.segments}

    def endorse(self, payment: Payment, taken: Taken, memory: Memory, at: At) -> Json:
        """One report of every segment that this payment uses."""
        reports = [
            super(AgentTill, self).endorse(
                payment, msgspec.structs.replace(taken, claims=(claim,)), memory, at
            )
            for claim in taken.claims
        ]
        openings = {codec.canonical(report["openings"]): report["openings"] for report in reports}
        return {
            "openings": [opening for each in openings.values() for opening in each],
            "tokens": [token for report in reports for token in report["tokens"]],
        }

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """The openings of these claims."""
        return Keys(records=tuple(sorted({_opening_of(claim) for claim in claims})))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One report per row: the opening, and the highest token of one segment.

        An opening that is forgotten by now, or that no message has room for, is left out: the
        broker refuses that claim for good, and the others are cleared.
        """
        messages: list[Json] = []
        for claim in claims:
            kept = memory.records.get(_opening_of(claim))
            segment = int.from_bytes(claim.key[-4:], "big")
            token = [segment, claim.order, codec.b64u(claim.body[: chain.WORD_BYTES])]
            openings: list[Json] = []
            if kept is not None:
                with suppress(Malformed):
                    openings.append(codec.read_json(kept))
            messages.append({"openings": openings, "tokens": [token]})
        return messages

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `ed25519:` of the certificate's key over `statement`."""
        signing.verify(owner, statement, read_proof(proof, "ed25519"))


_NONE: dict[int, bytes] = {}


def _opening_of(claim: Claim) -> bytes:
    """Where the opening of a claim's segment is kept."""
    return opening_key(claim.key[len(b"agent") : -4], claim.body[chain.WORD_BYTES :])


def _micro(setting: Setting, name: str, default_micro: int, least_micro: int) -> int:
    value = setting.options.get(name, default_micro)
    if type(value) is not int or not least_micro <= value <= PAYMENT_MICRO_MAX:
        raise Misconfigured(
            "option_out_of_range", f"{name} is a number of micro-units", option=name
        )
    return value
