"""The payer's side of A Micropayment System: a seed, and a place at each vendor.

One instrument a certificate. Of every vendor it remembers which segments it has opened there and
how far they are used; a payment takes what is left of them, and opens the next ones for the rest.
A segment that was opened for a vendor stays that vendor's, also where nothing was charged: a second
opening for somebody else would be double spending.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain, merkle, signing
from farthing.errors import Expired, Forged, OutOfRange
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.agent.certificate import (
    OPENED_MAX,
    SEGMENTS_MAX,
    TRAITS,
    Certificate,
    Opening,
    leaves_of,
    roots_of,
    salt_of,
    seed_of,
)
from farthing.schemes.chain.agent.issued import DELTA_S
from farthing.schemes.chain.times import LAPSE_S
from farthing.schemes.contract import (
    Accepted,
    Asked,
    At,
    Binding,
    Burned,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Lost,
    Need,
    Offer,
    Paid,
    Purse,
)
from farthing.schemes.proofs import write_proof

KEY_BYTES = 32
SEGMENT_TOKENS = 32  # of generic tokens: a first payment at a vendor parts with no more
VENDORS = 4  # with one set of tokens, at least: where little is bought, segments are shorter


class Tokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate and what its payer keeps."""

    certificate: Certificate
    free: int
    """The first segment that no vendor has."""
    places: dict[str, list[tuple[int, int]]]
    """By vendor: (segment, tokens spent) of its segments that are not used up; 0 spent: it may not
    have seen the opening."""
    secret: str
    seed: str

    def __repr__(self) -> str:
        """The serial only."""
        return f"Tokens({self.certificate.serial})"


class Delivered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to `issue`."""

    certificate: Certificate
    seed: str


class Sold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to `status`."""

    serials: tuple[str, ...]


_TOKENS, _DELIVERED = codec.Reader(Tokens), codec.Reader(Delivered)
_SOLD = codec.Reader(Sold)


class AgentPurse(Purse):
    """One wallet's tokens at one broker."""

    traits = TRAITS
    returns_after_s = DELTA_S + LAPSE_S
    merges = True
    reissues = True

    def ask(self, need: Need, at: At) -> Asked:
        """Tokens for at least the need, under a fresh key; `OutOfRange` without an offer's unit."""
        terms = need.offer.terms if need.offer is not None else {}
        unit_micro = terms.get("unitMicro")
        if type(unit_micro) is not int or not 0 < unit_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("offer_without_unit", "the offer does not say what a token is worth")
        assert need.offer is not None, "its terms were read"
        length = min(-(-need.amount_micro // unit_micro), chain.LENGTH_MAX)
        is_specific = terms.get("mode") == "specific"
        price = max(need.offer.price_micro // unit_micro, 1)
        secret = at.entropy[:KEY_BYTES]
        message = {
            "length": length,
            "publicKey": codec.b64u(signing.public_of(secret)),
            "segment": length if is_specific else segment_of(length, price),
            "unitMicro": unit_micro,
            "vendor": need.vendor_id if is_specific else "",
        }
        return Asked(operation="issue", message=message, kept=secret)

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        """The tokens; `Forged` if they are not what was asked for, or not under the signed root.

        The broker's signature is the vendors' to check.
        """
        if asked.operation != "issue":
            return ()
        found, order = _DELIVERED.convert(answer), asked.message
        certificate = found.certificate
        is_ordered = (
            certificate.broker == self.setting.broker_id
            and certificate.currency == self.setting.currency
            and certificate.length == order["length"]
            and certificate.public_key == order["publicKey"]
            and certificate.segment == order["segment"]
            and certificate.unit_micro == order["unitMicro"]
            and certificate.vendor == order["vendor"]
        )
        if not is_ordered:
            raise Forged("certificate_not_as_asked", "the broker certified something else")
        codec.unb64u(certificate.sig, size_bytes=64)
        leaves, _ = _tree(certificate, found.seed)
        if codec.b64u(merkle.root_of(leaves)) != certificate.root:
            raise Forged("tokens_not_certified", "these tokens are not under the broker's root")
        tokens = Tokens(
            certificate=certificate,
            free=0,
            places={},
            secret=codec.b64u(asked.kept),
            seed=found.seed,
        )
        return (self._instrument(tokens, certificate.worth_micro),)

    def _instrument(self, tokens: Tokens, worth_micro: int) -> Instrument:
        certificate = tokens.certificate
        return Instrument(
            id=_id_of(certificate.serial),
            scheme=self.traits.name,
            vendor_id=certificate.vendor,
            currency=certificate.currency,
            worth_micro=worth_micro,
            expires_at_s=certificate.expires_at_s,
            body=codec.canonical(tokens),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """The next tokens at this vendor, for exactly the price; `OutOfRange`, `Expired`."""
        tokens = _TOKENS.read(instrument.body)
        certificate = tokens.certificate
        if at.now_s >= certificate.expires_at_s:
            raise Expired("certificate_expired", "buy fresh tokens")
        steps, rest = divmod(offer.price_micro, certificate.unit_micro)
        if rest or not steps:
            raise OutOfRange("price_not_in_units", "buy tokens in the vendor's present unit")
        spent, free = _spend(tokens, offer.vendor_id, steps)
        fresh = [segment for segment, before, _ in spent if not before]
        payload = {
            "opening": _opening(tokens, fresh, offer.vendor_id, at.now_s)
            if fresh
            else certificate.serial,
            "tokens": [
                [segment, position, _token(tokens, segment, position)]
                for segment, _, position in spent
            ],
        }
        after = _moved(tokens, offer.vendor_id, free, [(s, after) for s, _, after in spent])
        rolled = _moved(tokens, offer.vendor_id, free, [(s, before) for s, before, _ in spent])
        return Paid(
            payload=payload,
            spent=instrument,
            after=self._instrument(after, instrument.worth_micro - offer.price_micro),
            kept=codec.canonical(rolled),
        )

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The tokens that are left; where nothing was charged, what was opened stays opened.

        Tokens that the vendor refused for good are dropped: what is left of them comes back when
        they end.
        """
        shown: Json = None
        match conclusion:
            case Burned():
                return Concluded()
            case Accepted(released=shown):
                assert paid.after is not None, "a payment with tokens leaves its certificate"
                kept = paid.after
            case _:
                kept = msgspec.structs.replace(paid.spent, body=paid.kept)
        return Concluded(instruments=(kept,) if kept.worth_micro else (), shown=shown)

    def merge(self, current: Instrument, paid: Paid, left: Instrument | None) -> Instrument:
        """With the places of that payment's vendor where it has them; all others stay."""
        assert paid.after is not None, "a payment with tokens leaves its certificate"
        tokens, after = _TOKENS.read(current.body), _TOKENS.read(paid.after.body)
        before = _TOKENS.read(paid.kept).places
        for name, opened in before.items():
            if after.places.get(name) == opened:
                continue
            taken = dict(after.places.get(name, []))
            places = dict(tokens.places.get(name, []))
            used_up = [
                (segment, tokens.certificate.tokens_in(segment))
                for segment, _ in opened
                if segment not in taken
            ]
            moved = [(s, max(p, places.get(s, 0))) for s, p in (*taken.items(), *used_up)]
            tokens = _moved(tokens, name, max(tokens.free, after.free), moved)
        price_micro = paid.spent.worth_micro - paid.after.worth_micro
        return self._instrument(tokens, current.worth_micro - price_micro)

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`ed25519:` under the certificate's key."""
        secret = codec.unb64u(_TOKENS.read(instrument.body).secret, size_bytes=KEY_BYTES)
        return write_proof("ed25519", signing.sign(secret, statement))

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """Revoke the certificate: part of the rest comes back at once, all of it in a day."""
        tokens = _TOKENS.read(instrument.body)
        message = {"opened": tokens.free, "serial": tokens.certificate.serial}
        if not tokens.free:
            del message["opened"]
        return Asked(operation="take_back", message=message)

    def survey(self) -> Asked:
        """The serials of the account's certificates."""
        return Asked(operation="status", message={})

    def reclaim(self, answer: Json) -> tuple[Lost, ...]:
        """Every certificate: the mint allows for openings that nobody here knows of."""
        return tuple(
            Lost(
                id=_id_of(serial),
                asked=Asked(operation="take_back", message={"serial": serial}),
            )
            for serial in _SOLD.convert(answer).serials
        )


def _id_of(serial: str) -> str:
    return f"tk:{serial}"


def segment_of(length: int, price: int) -> int:
    """How many tokens a segment has, of so many in all: a multiple of a price in tokens."""
    wanted = min(SEGMENT_TOKENS, length // VENDORS)
    least = -(-length // SEGMENTS_MAX)
    prices = max(wanted // price, -(-least // price), 1)
    return min(prices * price, length)


def _tree(certificate: Certificate, seed: str) -> tuple[list[bytes], list[bytes]]:
    """The leaves and roots of all segments."""
    raw = codec.unb64u(seed, size_bytes=chain.WORD_BYTES)
    serial, length, segment = certificate.serial, certificate.length, certificate.segment
    roots = roots_of(raw, serial, length, segment)
    return leaves_of(serial, roots, length, segment), roots


def _spend(tokens: Tokens, vendor_id: str, steps: int) -> tuple[list[tuple[int, int, int]], int]:
    """(segment, spent before, spent after) for so many tokens, and the next free segment."""
    certificate, free = tokens.certificate, tokens.free
    spent: list[tuple[int, int, int]] = []
    for segment, before in tokens.places.get(vendor_id, []):
        step = min(steps, certificate.tokens_in(segment) - before)
        if step:
            spent.append((segment, before, before + step))
            steps -= step
    while steps:
        if free == certificate.segments:
            raise OutOfRange("tokens_used_up", "no segment is free; buy more tokens")
        step = min(steps, certificate.tokens_in(free))
        spent.append((free, 0, step))
        steps, free = steps - step, free + 1
    if len(spent) > OPENED_MAX:
        raise OutOfRange("tokens_too_small", "too many segments for one payment; buy larger ones")
    return spent, free


def _moved(tokens: Tokens, vendor_id: str, free: int, places: list[tuple[int, int]]) -> Tokens:
    """The tokens with these places at a vendor."""
    known = dict(tokens.places.get(vendor_id, [])) | dict(places)
    left = [
        (segment, position)
        for segment, position in sorted(known.items())
        if position < tokens.certificate.tokens_in(segment)
    ]
    others = {name: each for name, each in tokens.places.items() if name != vendor_id}
    return msgspec.structs.replace(
        tokens, free=free, places=others | ({vendor_id: left} if left else {})
    )


def _token(tokens: Tokens, segment: int, position: int) -> str:
    serial = tokens.certificate.serial
    key = chain.link_key(salt_of(serial, segment))
    last = seed_of(codec.unb64u(tokens.seed), serial, segment)
    length = tokens.certificate.tokens_in(segment)
    return codec.b64u(chain.word_of(key, last, length, position))


def _opening(tokens: Tokens, segments: list[int], vendor_id: str, now_s: int) -> Json:
    """The payer's signed word that these segments are this vendor's."""
    leaves, roots = _tree(tokens.certificate, tokens.seed)
    unsigned = Opening(
        certificate=tokens.certificate,
        path=tuple(codec.b64u(each) for each in merkle.prove(leaves, segments)),
        roots=tuple(codec.b64u(roots[segment]) for segment in segments),
        segments=tuple(segments),
        sig="",
        time_s=now_s,
        vendor=vendor_id,
    )
    secret = codec.unb64u(tokens.secret, size_bytes=KEY_BYTES)
    sig = codec.b64u(signing.sign(secret, unsigned.signed()))
    return msgspec.to_builtins(msgspec.structs.replace(unsigned, sig=sig))
