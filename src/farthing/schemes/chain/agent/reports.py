"""What a vendor reports to be paid, and how the broker decides it.

A report is an opening with the highest token of each segment that is claimed. The broker pays the
difference to what it has paid for the segment. It decides alone: the first opening of a segment
that is reported is paid, a second one for another vendor is `Conflict`.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import Conflict, Late, Mismatch, OutOfRange, Revoked, Unfit, WrongVendor
from farthing.marks import Advance, Keys, Memory, Put
from farthing.schemes.chain.agent import issued as books
from farthing.schemes.chain.agent.certificate import (
    OPENED_MAX,
    SUBMIT_S,
    Certificate,
    Opening,
    Token,
    counter_id,
    opening_of,
    require_vouched,
    salt_of,
    verify_certificate,
    verify_opening,
)
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    End,
    Flow,
    Json,
    Redeemed,
    Setting,
)
from farthing.schemes.refutals import Refuted


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: openings of one certificate, and the highest token of each claimed segment."""

    openings: tuple[Opening, ...]
    tokens: tuple[Token, ...]

    def __post_init__(self) -> None:
        """`Unfit` for openings that are missing, or of several certificates or vendors."""
        if not 0 < len(self.openings) <= OPENED_MAX + 1:
            raise Unfit("opening_missing", "a report shows the opening of what it claims")
        if any(each.certificate != self.certificate for each in self.openings):
            raise Unfit("certificates_differ", "a report is of one certificate")
        if any(each.vendor != self.vendor for each in self.openings):
            raise Unfit("vendors_differ", "a report is of one vendor")
        named = [segment for each in self.openings for segment in each.segments]
        if len(named) != len(set(named)):
            raise Unfit("segment_named_twice", "one opening names a segment")

    @property
    def certificate(self) -> Certificate:
        """Of all openings."""
        return self.openings[0].certificate

    @property
    def vendor(self) -> str:
        """Of all openings."""
        return self.openings[0].vendor

    def opening_of(self, segment: int) -> Opening:
        """The one that names a segment; `OutOfRange`."""
        for opening in self.openings:
            if segment in opening.segments:
                return opening
        raise OutOfRange("segment_not_opened", "no opening names this segment")

    def __repr__(self) -> str:
        """Segments and positions only: a token is worth money."""
        return f"Report({[token[:2] for token in self.tokens]})"


class Evidence(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """One opening, as far as a third party needs it beside the certificate."""

    late: bool = False
    """Whether it was reported after the certificate was revoked."""
    segments: tuple[int, ...]
    sig: str
    time_s: int
    vendor: str


class Twice(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One segment opened for two vendors: what proves it to whoever knows the broker's key."""

    certificate: Certificate
    first: Evidence
    """The opening that was reported first, and is paid."""
    second: Evidence


CONFLICT_PREFIX = b"agent/conflict/"

_EVIDENCE, _TWICE = codec.Reader(Evidence), codec.Reader(Twice)


def opened_key(serial: str, segment: int) -> bytes:
    """Where the first opening of a segment is kept."""
    return f"agent/opened/{serial}/{segment}".encode()


def keys_of(report: Report) -> Keys:
    """What decides a report: the certificate, the counters and openings of its segments."""
    serial = report.certificate.serial
    claimed = [segment for segment, _, _ in report.tokens]
    return Keys(
        counters=tuple(counter_id(serial, each) for each in claimed),
        records=(books.issued_key(serial), *(opened_key(serial, each) for each in claimed)),
    )


def check_report(report: Report, account: Account, setting: Setting, at: At) -> Report:
    """A report whose signatures and tokens are right; `WrongVendor`, `Late`, `Forged` and so on."""
    certificate = report.certificate
    if report.vendor != account.id or certificate.vendor not in {"", account.id}:
        raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
    require_vouched(certificate, setting.broker_id, setting.currency)
    if at.now_s > certificate.expires_at_s + SUBMIT_S + SKEW_S:
        raise Late("claim_after_submit_window", "tokens are reported within a day of their end")
    verify_certificate(certificate, setting.ring)
    for opening in report.openings:
        verify_opening(opening)
    claimed = [segment for segment, _, _ in report.tokens]
    if not claimed or claimed != sorted(set(claimed)):
        raise Unfit("segments_not_canonical", "segments rise, each once")
    for segment, position, _ in report.tokens:
        report.opening_of(segment)
        if not 0 < position <= certificate.tokens_in(segment):
            most = certificate.tokens_in(segment)
            raise OutOfRange("chain_index_above_length", f"this segment has {most} tokens")
    for segment, position, text in report.tokens:
        key = chain.link_key(salt_of(certificate.serial, segment))
        token = codec.unb64u(text, size_bytes=chain.WORD_BYTES)
        chain.verify_word(key, token, position, report.opening_of(segment).root_of(segment), 0)
    return report


class Paying:
    """One report, decided on what the broker has of its segments."""

    def __init__(self, report: Report, memory: Memory, at: At) -> None:
        """`Revoked`, `Late` where nothing is paid for these tokens, whatever was reported."""
        self._report, self._memory, self._at = report, memory, at
        self._certificate = report.certificate
        self._serial = self._certificate.serial
        kept = memory.records.get(books.issued_key(self._serial))
        if kept is None:
            raise Revoked("certificate_unknown", "this broker has not sold these tokens")
        self._kept = books.READER.read(kept)
        self._kept.require_in_time(at.now_s)

    def decided(self) -> Applied:
        """Pay what is new; `Refuted` for a segment that another vendor has opened."""
        vendor_id, certificate = self._report.vendor, self._certificate
        until_s = self._kept.until_s
        due_micro = fresh_micro = late_micro = 0
        marks: list[Advance] = []
        records: list[Put] = []
        for segment, position, text in self._report.tokens:
            found = self._memory.records.get(opened_key(self._serial, segment))
            first = _EVIDENCE.read(found) if found is not None else None
            if first is not None and first.vendor != vendor_id:
                return self._refuted(segment, first)
            mark_id = counter_id(self._serial, segment)
            place = self._memory.counters.get(mark_id)
            last = place.to if place is not None else 0
            if position <= last:
                continue
            step_micro = certificate.unit_micro * (position - last)
            due_micro += step_micro
            is_late = first.late if first is not None else self._kept.revoked_at_s > 0
            late_micro += step_micro if is_late else 0
            if first is None:
                fresh_micro += certificate.unit_micro * certificate.tokens_in(segment)
                opening = self._report.opening_of(segment)
                key, shown = opened_key(self._serial, segment), _shown(opening, late=is_late)
                records.append(Put(key=key, value=codec.canonical(shown), until_s=until_s))
            token = codec.unb64u(text)
            marks.append(Advance(id=mark_id, over=last, to=position, link=token, until_s=until_s))
        if not marks:
            return Redeemed(answer={"paidMicro": 0})
        if late_micro:
            self._require_late(late_micro)
            fresh_micro = 0  # it is paid out of what waits for late ones
        kept = msgspec.structs.replace(
            self._kept,
            claimed_micro=self._kept.claimed_micro + due_micro,
            late_micro=self._kept.late_micro - late_micro,
            opened_micro=self._kept.opened_micro + fresh_micro,
        )
        return Redeemed(
            flows=(
                Flow(
                    source=End(kind="outstanding"),
                    target=End(kind="vendor", id=vendor_id),
                    amount_micro=due_micro,
                ),
            ),
            marks=tuple(marks),
            records=(*records, kept.put(self._serial)),
            answer={
                "lateMicro": late_micro,
                "openedMicro": fresh_micro,
                "paidMicro": due_micro,
            },
            paid_micro=due_micro,
        )

    def _require_late(self, late_micro: int) -> None:
        """`Revoked` for what was opened too late, or what is more than was kept for it.

        What its payer told of was open by then, whatever the clocks said.
        """
        list_s = self._kept.revoked_at_s + books.LIST_S + SKEW_S
        opened_at_s = max(opening.time_s for opening in self._report.openings)
        is_told = late_micro <= self._kept.late_micro - self._kept.reserve_micro
        if late_micro > self._kept.late_micro or (opened_at_s > list_s and not is_told):
            raise Revoked("opened_after_revocation", "these tokens went back to their payer")

    def _refuted(self, segment: int, first: Evidence) -> Refuted:
        """The payer has opened one segment for two vendors: the first reported one is paid."""
        second = _shown(self._report.opening_of(segment), late=False)
        both = codec.canonical(Twice(self._certificate, first, second))
        key = CONFLICT_PREFIX + f"{self._serial}/{segment}".encode()
        records: list[Put] = [Put(key=key, value=both, until_s=self._kept.until_s)]
        due: tuple[tuple[int, bytes], ...] = ()
        if not self._kept.revoked_at_s:
            kept = self._kept.revoked(self._at.now_s, self._certificate.segments)
            records += [kept.revocation(self._serial), kept.put(self._serial)]
            due = ((kept.settles_at_s, books.issued_key(self._serial)),)
        return Refuted(
            refusal=Conflict("segment_opened_twice", "its payer opened it at another vendor first"),
            records=tuple(records),
            due=due,
        )


def judged(shown: Json, setting: Setting) -> Json:
    """Who has opened which segments for which two vendors.

    `Forged` unless its payer has signed both openings, `Mismatch` where they agree.
    """
    found = _TWICE.convert(shown)
    certificate, both = found.certificate, (found.first, found.second)
    require_vouched(certificate, setting.broker_id, setting.currency)
    verify_certificate(certificate, setting.ring)
    public = codec.unb64u(certificate.public_key, size_bytes=32)
    for each in both:
        said = opening_of(certificate.serial, each.vendor, each.time_s, each.segments)
        signing.verify(public, said, codec.unb64u(each.sig, size_bytes=signing.SIGNATURE_BYTES))
    segments = sorted(set(found.first.segments) & set(found.second.segments))
    if not segments or found.first.vendor == found.second.vendor:
        raise Mismatch("openings_agree", "no segment is opened for two vendors here")
    worth_micro = certificate.unit_micro * sum(map(certificate.tokens_in, segments))
    return {
        "payer": certificate.serial,
        "segments": segments,
        "vendors": [each.vendor for each in both],
        "worthMicro": worth_micro,
    }


def _shown(opening: Opening, *, late: bool) -> Evidence:
    return Evidence(
        late=late,
        segments=opening.segments,
        sig=opening.sig,
        time_s=opening.time_s,
        vendor=opening.vendor,
    )
