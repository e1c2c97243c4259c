"""The payer's side: segments of a day's credit at one vendor, spent or handed on from the tail.

What is handed on is whole segments, the last of them only up to an index: the words above it are
not given, so nobody can spend them. Who got a purse starts with all of its segments at once, so
that it has them at the vendor from its first payment on; who signed the commitment starts with
what it is about to spend, so that the rest can still be handed on.
"""

from collections.abc import Sequence

import msgspec

from farthing import codec
from farthing.crypto import agreement, chain, merkle, signing
from farthing.crypto.mac import mac
from farthing.errors import Denied, Expired, Forged, OutOfRange, Unsupported, WrongPayer
from farthing.schemes.chain.credit.purse import CreditPurse, Part, require_present, unit_of
from farthing.schemes.chain.ecoupon.commitment import FAMILY, SEGMENTS_MAX, Commitment, Link
from farthing.schemes.chain.ecoupon.coupons import UNITS_MAX, WORD, Coupons, Given
from farthing.schemes.chain.ecoupon.delegation import HOPS_MAX, Delegation, Reduced, reduce
from farthing.schemes.chain.ecoupon.demand import Times, asked_in
from farthing.schemes.chain.ecoupon.payment import LINKS_MAX
from farthing.schemes.chain.ecoupon.session import (
    Start,
    begin_mac,
    payment_digest,
    payment_mac,
    session_key,
)
from farthing.schemes.chain.ecoupon.traits import TRAITS
from farthing.schemes.contract import (
    Asked,
    At,
    Binding,
    Instrument,
    Json,
    Offer,
    Paid,
    Portion,
    Shared,
)

LENGTH_MIN = 16  # words of a segment: shorter ones would be started more often than paid with
WORD_TAG = "farthing/ecoupon/word/1"  # the last word of each segment, from one seed


_COUPONS, _GIVEN = codec.Reader(Coupons), codec.Reader(Given)


class EcouponPurse(CreditPurse):
    """One wallet's e-coupons at one broker."""

    traits = TRAITS
    family = FAMILY
    shares = True

    def begin(self, part: Part, offer: Offer, at: At) -> Instrument:
        """As many words as this part of the credit bears; `OutOfRange` below the price."""
        unit_micro = unit_of(offer)
        steps = -(-offer.price_micro // unit_micro)
        units = min(UNITS_MAX, part.worth_micro // unit_micro)
        if units < steps:
            raise OutOfRange("credit_below_price", "ask the broker for more credit")
        segments = max(1, min(SEGMENTS_MAX, units // max(LENGTH_MIN, steps)))
        seed, salt = at.entropy[:16], at.entropy[16:32]
        words = [mac(WORD, seed, WORD_TAG, segment) for segment in range(segments)]
        unsigned = Commitment(
            certificate=part.certificate,
            day=part.day,
            length=units // segments,
            root="",
            salt=codec.b64u(salt),
            segments=segments,
            sig="",
            slots=part.slots,
            unit_micro=unit_micro,
            vendor=part.vendor_id,
        )
        leaves = [
            unsigned.leaf(segment, _root(unsigned, segment, word, unsigned.length))
            for segment, word in enumerate(words)
        ]
        root = codec.b64u(merkle.root_of(leaves))
        coupons = Coupons(
            commitment=msgspec.structs.replace(unsigned, root=root).sign(part.secret),
            leaves=codec.b64u(b"".join(leaves)),
            secret=codec.b64u(part.secret),
            top=unsigned.length,
            words=codec.b64u(b"".join(words)),
        )
        return self._instrument(coupons)

    def secret_of(self, instrument: Instrument) -> str:
        """The holder's key."""
        return _COUPONS.read(instrument.body).secret

    def _instrument(self, coupons: Coupons) -> Instrument:
        commitment, reduced = coupons.commitment, _narrowest(coupons)
        part = f".{coupons.hops[-1].segments[0]}" if coupons.hops else ""
        return Instrument(
            id=f"{FAMILY.short}:{commitment.id}{part}",
            scheme=self.traits.name,
            vendor_id=commitment.vendor,
            currency=commitment.certificate.currency,
            worth_micro=commitment.unit_micro * coupons.units,
            expires_at_s=reduced,
            body=codec.canonical(coupons),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """The next words, for exactly the price.

        `OutOfRange` past the last word; `Expired` and `NotYetValid` at another time.
        """
        coupons = _COUPONS.read(instrument.body)
        commitment = coupons.commitment
        require_present(commitment, at.now_s)
        if at.now_s >= instrument.expires_at_s:
            raise Expired("delegation_expired", "ask who handed it over for more")
        links = _links(coupons, offer.price_micro)
        payload: dict[str, Json] = {"commitment": commitment.id}
        if links[-1][0] >= coupons.free:
            coupons, start = _started(coupons, links[-1][0], offer, at)
            payload["commitment"] = msgspec.to_builtins(commitment)
            payload["start"] = msgspec.to_builtins(start)
            if coupons.hops:
                payload["hops"] = msgspec.to_builtins(coupons.hops)
        if coupons.tesla is not None:
            digest = payment_digest(commitment.id, binding, links)
            code, shown = coupons.keys.prove(coupons.tesla, coupons.session, digest, at.now_s)
            payload["tesla"] = msgspec.to_builtins(shown)
        else:
            begun = begin_mac(codec.unb64u(coupons.session), commitment.id)
            code = payment_mac(begun, binding, links)
        payload |= {"links": [list(link) for link in links], "mac": codec.b64u(code)}
        after = self._instrument(coupons.moved(*links[-1][:2]))
        return Paid(payload=payload, spent=instrument, after=after)

    def share(self, instrument: Instrument, portion: Portion, at: At) -> Shared:
        """Segments from the tail, worth exactly so much; the last of them may be cut.

        `Unsupported` before anything is opened, `Denied` where who handed it to us said so,
        `OutOfRange` for what is started already, is too much, or is no multiple of the unit.
        """
        if not instrument.vendor_id:
            raise Unsupported("share_of_certificate", "open something for a vendor first")
        coupons = _COUPONS.read(instrument.body)
        commitment = coupons.commitment
        require_present(commitment, at.now_s)
        if coupons.hops and not coupons.hops[-1].passes_on:
            raise Denied("delegation_not_allowed", "who handed it over did not let you hand it on")
        if len(coupons.hops) == HOPS_MAX:
            raise Denied("delegation_too_deep", f"at most {HOPS_MAX} hand it on, one to the next")
        until_s = min(portion.until_s, instrument.expires_at_s)
        if until_s <= at.now_s:
            raise OutOfRange("portion_without_time", "it would end before it begins")
        first, last, top = _tail(coupons, portion.amount_micro)
        hop = Delegation(
            commitment=commitment.id,
            passes_on=portion.passes_on,
            segments=(first, last),
            sig="",
            subject=codec.b64u(portion.to),
            valid=(at.now_s, until_s),
        ).sign(codec.unb64u(coupons.secret))
        words, cut = codec.unb64u(coupons.words), (first - coupons.first) * WORD
        given = words[cut : cut + (last - first) * WORD]
        key, end = commitment.link_key(last), coupons.end(last)
        given += chain.descend(key, coupons.word(last), end, top)
        grant = Given(
            commitment=commitment,
            hops=(*coupons.hops, hop),
            leaves=coupons.leaves,
            top=top,
            words=codec.b64u(given),
        )
        left = msgspec.structs.replace(
            coupons, words=codec.b64u(words[:cut]), top=commitment.length
        )
        message = {"commitment": msgspec.to_builtins(commitment), "segments": [first, last]}
        return Shared(
            grant=msgspec.to_builtins(grant),
            left=self._instrument(left),
            until_s=until_s,
            withdrawal=None if coupons.hops else Asked(operation="take_back", message=message),
        )

    def accept(self, grant: Json, secret: bytes, at: At) -> Instrument:
        """Segments that were handed over; `Forged`, `WrongPayer`, `Expired`, `OutOfRange`.

        The broker's signature is the vendors' to check: nobody here has paid for it.
        """
        given = _GIVEN.convert(grant)
        commitment = given.commitment
        commitment.certificate.require_of(self.setting.broker_id, self.setting.currency)
        commitment.verify()
        require_present(commitment, at.now_s)
        reduced = reduce(commitment, given.hops)
        if reduced.subject != signing.public_of(secret):
            raise WrongPayer("grant_for_another", "it was handed to another key")
        reduced.require_valid(at.now_s)
        coupons = Coupons(
            commitment=commitment,
            first=reduced.first,
            free=reduced.first,
            hops=given.hops,
            leaves=given.leaves,
            secret=codec.b64u(secret),
            top=given.top,
            words=given.words,
        )
        _verify_words(coupons, reduced)
        return self._instrument(coupons)


def _root(commitment: Commitment, segment: int, word: bytes, index: int) -> bytes:
    return chain.descend(commitment.link_key(segment), word, index, 0)


def _narrowest(coupons: Coupons) -> int:
    """When it ends: with the day, or with the first of the hops."""
    return min(coupons.commitment.ends_at_s, *(hop.valid[1] for hop in coupons.hops), 2**53)


def _links(coupons: Coupons, price_micro: int) -> list[Link]:
    """The words that pay a price; `OutOfRange`."""
    commitment = coupons.commitment
    steps, rest = divmod(price_micro, commitment.unit_micro)
    if rest:
        raise OutOfRange("price_not_in_units", "open a chain in the vendor's present unit")
    if steps > coupons.units:
        raise OutOfRange("chain_used_up", "open another chain")
    links: list[Link] = []
    segment, index = coupons.first, coupons.index
    while steps:
        if len(links) == LINKS_MAX:
            raise OutOfRange("segments_too_short", "open a chain for prices like this")
        end = coupons.end(segment)
        to = min(end, index + steps)
        steps -= to - index
        word = chain.descend(commitment.link_key(segment), coupons.word(segment), end, to)
        links.append((segment, to, codec.b64u(word)))
        segment, index = segment + 1, 0
    return links


def _started(coupons: Coupons, last: int, offer: Offer, at: At) -> tuple[Coupons, Start]:
    """A start with what is not started yet, `last` in it: all of that where we are a delegate.

    Where it is ours, about as many segments as were started before, so that starts are few and
    most of what is not spent can still be handed on. Under the session that there is, or a new one
    where the vendor has another key by now, or asks for another way to authenticate.
    """
    commitment, before = coupons.commitment, coupons.session
    times = asked_in(offer)
    coupons = _agreed(coupons, offer, at) if times is None else _keyed(coupons, times, at)
    first = coupons.free if coupons.session == before else coupons.first
    last = coupons.last if coupons.hops else min(coupons.last, max(last, 2 * first))
    roots = [
        _root(commitment, segment, coupons.word(segment), coupons.end(segment))
        for segment in range(first, last + 1)
    ]
    proof = merkle.prove(_leaves(coupons), range(first, last + 1))
    unsigned = Start(
        ephemeral=coupons.ephemeral,
        proof=tuple(codec.b64u(one) for one in proof),
        roots=tuple(codec.b64u(root) for root in roots),
        segments=(first, last),
        sig="",
        tesla=coupons.tesla,
        vendor_key=coupons.vendor_key,
    )
    sig = signing.sign(codec.unb64u(coupons.secret), unsigned.signed(commitment.id))
    start = msgspec.structs.replace(unsigned, sig=codec.b64u(sig))
    return msgspec.structs.replace(coupons, free=last + 1), start


def _agreed(coupons: Coupons, offer: Offer, at: At) -> Coupons:
    """With a key that the vendor shares; a new one where the vendor has another by now."""
    vendor_key = offer.terms.get("vendorKey")
    if not isinstance(vendor_key, str):
        raise OutOfRange("offer_without_key", "the offer does not say whom a session is with")
    if vendor_key == coupons.vendor_key:
        return coupons
    ephemeral = at.entropy[: agreement.KEY_BYTES]
    public = agreement.public_of(ephemeral)
    theirs = codec.unb64u(vendor_key, size_bytes=agreement.KEY_BYTES)
    return msgspec.structs.replace(
        coupons,
        ephemeral=codec.b64u(public),
        session=codec.b64u(session_key(ephemeral, theirs, public, coupons.commitment.id)),
        tesla=None,
        vendor_key=vendor_key,
    )


def _keyed(coupons: Coupons, times: Times, at: At) -> Coupons:
    """With a chain of keys; a new one where the vendor asks for other times by now."""
    now = coupons.tesla
    if now is not None and now.times == times:
        return coupons
    keyed = coupons.keys.start(times, at.now_s)
    session = codec.b64u(coupons.keys.session(keyed))
    return msgspec.structs.replace(
        coupons, ephemeral="", session=session, tesla=keyed, vendor_key=""
    )


def _leaves(coupons: Coupons) -> Sequence[bytes]:
    raw, size_bytes = codec.unb64u(coupons.leaves), merkle.DIGEST_BYTES
    return [raw[at : at + size_bytes] for at in range(0, len(raw), size_bytes)]


def _tail(coupons: Coupons, amount_micro: int) -> tuple[int, int, int]:
    """First and last segment, and the last index of that one, that come to an amount."""
    unit_micro, length = coupons.commitment.unit_micro, coupons.commitment.length
    units, rest = divmod(amount_micro, unit_micro)
    if rest or not units:
        raise OutOfRange("portion_not_in_units", f"a word here is worth {unit_micro} micro-units")
    first = coupons.last + 1
    has = 0
    while has < units:
        first -= 1
        if first < max(coupons.free, coupons.first):
            raise OutOfRange("portion_above_worth", "so much is not there, or is started already")
        has += coupons.end(first)
    count = -(-units // length)
    return first, first + count - 1, units - (count - 1) * length


def _verify_words(coupons: Coupons, reduced: Reduced) -> None:
    """`Forged` unless these words are of the committed segments, and all that are delegated."""
    commitment, leaves = coupons.commitment, _leaves(coupons)
    is_whole = len(codec.unb64u(coupons.words)) % WORD == 0 and coupons.last == reduced.last
    if not is_whole or not 0 < coupons.top <= commitment.length:
        raise Forged("grant_not_as_delegated", "it has other segments than were delegated")
    root = codec.unb64u(commitment.root)
    if len(leaves) != commitment.segments or merkle.root_of(leaves) != root:
        raise Forged("merkle_root_differs", "these leaves are not under the signed root")
    for segment in range(reduced.first, reduced.last + 1):
        root = _root(commitment, segment, coupons.word(segment), coupons.end(segment))
        if commitment.leaf(segment, root) != leaves[segment]:
            raise Forged("word_does_not_hash_to_last", "this word is not of the committed chain")
