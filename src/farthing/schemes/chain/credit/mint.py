"""Credit at the broker: certify payers, and bill what their pledges came to.

Records (key, then JSON or text; `<tag>` is the member's)::

    credit/certified/<account>, …        what it has out (`promised.py`)
    <tag>/payer/<pseudonym>              the account behind a certificate
    <tag>/slot/<pseudonym>/<vendor>/<day>/<slot>   the one pledge that used it
    <tag>/revoked/<serial>               the hot list
    <tag>/prepaid/<serial>               what lies ready for a prepaid certificate (`reserve.py`)

All members draw on the one credit that the operator grants an account. The broker bears a
certificate's limit for each vendor and day: a slot of it is paid to one pledge only, and two
pledges on one slot are the payer's `Conflict`, and both are kept (`contradictions.py`).

Where a member `prepays`, a certificate may be paid for when it is issued: for one vendor and today.
Its claims are paid out of what lies apart; the rest goes back when one closes it, or in the end.
"""

from typing import Any, ClassVar

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import (
    Conflict,
    Denied,
    Forged,
    Late,
    NotYetValid,
    Overlimit,
    Refusal,
    Revoked,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.marks import NO_KEYS, Keys, Mark, Memory, Put
from farthing.schemes.chain.credit import contradictions, promised
from farthing.schemes.chain.credit import reserve as reserves
from farthing.schemes.chain.credit.certificate import (
    CERTIFICATE_LIFE_S,
    LIMIT_MICRO_MAX,
    SUBMIT_S,
    Certificate,
    Family,
)
from farthing.schemes.chain.credit.pledge import Pledge
from farthing.schemes.chain.credit.reserve import Reserve
from farthing.schemes.chain.times import DAY_S, DISPUTE_S, SKEW_S
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Batch,
    Checked,
    End,
    Flow,
    Issued,
    Json,
    Mint,
    Operation,
    Redeemed,
    Returned,
)
from farthing.schemes.refutals import Refuted
from farthing.schemes.revocations import listing


class Application(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """`issue`: certify this key."""

    limit_micro: int
    public_key: str
    vendor: str = ""
    """Whom the limit is prepaid for; empty: it is credit."""
    day: int = 0
    """Which day it is prepaid for, since 1970-01-01."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: my key is lost; put its certificate on the hot list."""

    serial: str


class CreditClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`; a member adds what was paid under the pledge."""

    @property
    def pledge(self) -> Pledge:
        """What the payer signed."""
        raise NotImplementedError

    @property
    def closes(self) -> bool:
        """Whether it is the last: its vendor takes nothing more of what was set apart."""
        return False


_APPLICATION, _REVOCATION = codec.Reader(Application), codec.Reader(Revocation)


class CreditMint(Mint):
    """The broker's side of a member."""

    family: ClassVar[Family]
    claims: ClassVar[codec.Reader[Any]]
    """Reads its `CreditClaim`."""
    pledges: ClassVar[codec.Reader[Any]]  # likewise what its payers sign
    prepays: ClassVar[bool] = False  # whether it certifies what is paid for beforehand

    def verify_claim(self, claim: Any, at: At) -> None:
        """What the member checks of a claim whose pledge is right; any refusal."""
        raise NotImplementedError

    def proofs(self, claim: Any) -> list[chain.Proof]:
        """The words of a claim that are still to be hashed: those of many claims go at once."""
        return []

    def counters(self, claim: Any) -> tuple[bytes, ...]:
        """The counters that `due` reads."""
        raise NotImplementedError

    def due(self, claim: Any, memory: Memory, until_s: int) -> tuple[int, tuple[Mark, ...]]:
        """What this claim adds to what was paid, in micro-units, and the marks of it."""
        raise NotImplementedError

    def noted(self, claim: Any) -> tuple[bytes, ...]:
        """The records that `charge` reads; by default what lies ready for it."""
        key = self.reserve_key(claim.pledge)
        return (key,) if key else ()

    def reserve_key(self, pledge: Any) -> bytes:
        """Where that is which lies ready for a pledge; empty for one on credit."""
        certificate = pledge.certificate
        return self.family.prepaid_key(certificate.serial) if certificate.vendor else b""

    def charge(self, claim: Any, account_id: str, due_micro: int, memory: Memory) -> Applied:
        """Who pays what is due, with records of the member's own.

        By default what was prepaid (`Late`, `Finalized` without a rest), else the guarantee.
        """
        key, vendor_id = self.reserve_key(claim.pledge), claim.pledge.vendor
        if key:
            return reserves.drawn(reserves.read(memory.records[key]), key, vendor_id, due_micro)
        payer = End(kind="guarantee", id=account_id)
        vendor = End(kind="vendor", id=vendor_id)
        return Applied(flows=(Flow(source=payer, target=vendor, amount_micro=due_micro),))

    def pseudonym_key(self, name: str) -> bytes:
        """Where the account behind a certificate is."""
        return self._payer_key(name)

    def recall_names(self, account_id: str) -> Keys:
        """What is promised of its credit, and what it has prepaid."""
        return promised.recall(self.family.tag, account_id)

    def names_in(self, memory: Memory, now_s: int) -> tuple[str, ...]:
        """Serials of its live certificates: on credit of all members, who share it; prepaid."""
        return promised.serials(memory, now_s)

    def recall_barred(self, name: str, account_id: str) -> Keys:
        """The list, and what is promised."""
        return Keys(records=(self.family.revoked_key(name), *promised.keys_of(account_id)))

    def barred(self, name: str, account_id: str, memory: Memory, at: At) -> Applied:
        """As where its payer revokes it; of nobody's certificate there is no credit to free."""
        if not account_id:
            return super().barred(name, account_id, memory, at)
        return Applied(records=self._listed(name, account_id, "broker", memory, at))

    def judge(self, disclosed: Json) -> Json:
        """Which two pledges of one payer contradict each other; `Forged`, `Mismatch`."""
        return contradictions.judged(disclosed, self.pledges, self.family, self.setting)

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What is left of a reserve goes back to its payer: its debt first, then its balance."""
        return reserves.given_back(key, value)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """Signatures and every link; `Forged`, `Late`, `WrongVendor`, `Overlimit`, `Denied`."""
        parsed: Any
        if operation == "issue":
            _require_role(account, "payer")
            parsed = self._check_application(_APPLICATION.convert(message), account, at)
        elif operation == "redeem":
            _require_role(account, "vendor")
            parsed = self._check_claim(self.claims.convert(message), account, at)
            if not all(chain.are_proved(self.proofs(parsed))):
                raise _false_word()
        elif operation == "take_back":
            _require_role(account, "payer")
            parsed = _REVOCATION.convert(message)
        else:
            return super().check(operation, message, account, at)
        return Checked(operation=operation, message=parsed, account=account)

    def check_all(self, operation: Operation, asked: Batch) -> list[Checked | Refusal]:
        """As `check` of each; the words of all claims are hashed together."""
        if operation != "redeem":
            return super().check_all(operation, asked)
        found: list[Checked | Refusal] = []
        proofs: list[chain.Proof] = []
        spans: list[range] = []  # of `proofs`, by place in `found`
        for message, account, at in asked:
            first = len(proofs)
            try:
                _require_role(account, "vendor")
                claim = self._check_claim(self.claims.convert(message), account, at)
                proofs += self.proofs(claim)
                found.append(Checked(operation=operation, message=claim, account=account))
            except Refusal as refusal:
                found.append(refusal)
            spans.append(range(first, len(proofs)))
        holds = chain.are_proved(proofs)
        return [
            one if all(holds[n] for n in span) else _false_word()
            for one, span in zip(found, spans, strict=True)
        ]

    def _check_application(self, application: Application, account: Account, at: At) -> Application:
        codec.unb64u(application.public_key, size_bytes=32)
        if not 0 < application.limit_micro <= LIMIT_MICRO_MAX:
            raise Unfit("limit_out_of_range", f"a limit is 1 to {LIMIT_MICRO_MAX} micro-units")
        if application.vendor:
            if not self.prepays:
                raise Unsupported("prepaid_unsupported", f"{self.traits.title} is on credit only")
            begins_at_s = application.day * DAY_S  # as far as a payer's clock may say so
            if not begins_at_s - SKEW_S <= at.now_s < begins_at_s + DAY_S + SKEW_S:
                raise Unfit("prepaid_for_another_day", "prepay for today; is the clock right?")
            return application
        if application.limit_micro > account.credit_limit_micro:
            raise Overlimit("no_such_credit", "the operator has not granted this account so much")
        return application

    def _check_claim(self, claim: Any, account: Account, at: At) -> Any:
        pledge = claim.pledge
        if pledge.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        certificate = pledge.certificate
        certificate.require_of(self.setting.broker_id, self.setting.currency)
        if at.now_s < pledge.day * DAY_S - 2 * SKEW_S:  # of the vendor's clock and of ours
            raise NotYetValid("claim_before_its_day", "show it once its day has begun")
        if at.now_s > pledge.ends_at_s + SUBMIT_S + SKEW_S:
            raise Late("claim_after_submit_window", "a day's words are redeemed within a day")
        # As early as the vendor may have taken it: a certificate that ended later that day counts.
        certificate.verify(self.family, self.setting.ring, pledge.day * DAY_S - SKEW_S)
        pledge.verify()
        self.verify_claim(claim, at)
        return claim

    def recall(self, checked: Checked) -> Keys:
        """The counters of a claim, the day's slots and the payer's account."""
        message = checked.message
        if isinstance(message, CreditClaim):
            pledge = message.pledge
            return Keys(
                counters=self.counters(message),
                records=(
                    *pledge.slot_keys,
                    self._payer_key(pledge.certificate.payer),
                    self.family.revoked_key(pledge.certificate.serial),
                    *self.noted(message),
                ),
            )
        if isinstance(message, Application) and message.vendor:
            return NO_KEYS
        keys = promised.keys_of(checked.account.id)
        if isinstance(message, Revocation):
            listed = self.family.revoked_key(message.serial)
            return Keys(records=(self._payer_key(message.serial), listed, *keys))
        return Keys(records=keys)

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Certify, bill or revoke; `Overlimit`, `Denied`."""
        message = checked.message
        if isinstance(message, CreditClaim):
            return self._bill(message, memory)
        if isinstance(message, Revocation):
            return self._revoke(message, checked.account, memory, at)
        if message.vendor:
            return self._prepay(message, checked.account, at)
        return self._certify(message, checked.account, memory, at)

    def _certify(
        self, application: Application, account: Account, memory: Memory, at: At
    ) -> Issued:
        certificate = self._signed(application, at.now_s + CERTIFICATE_LIFE_S, at)
        until_s = certificate.kept_until_s
        promise = (certificate.expires_at_s, application.limit_micro, certificate.serial)
        return Issued(
            records=(
                promised.certified(memory, account, promise, at.now_s, until_s),
                self._payer(certificate, account),
            ),
            answer={"certificate": msgspec.to_builtins(certificate)},
        )

    def _prepay(self, application: Application, account: Account, at: At) -> Issued:
        """The limit goes apart, and comes back once the day's claims are over."""
        ends_at_s = (application.day + 1) * DAY_S
        certificate = self._signed(application, ends_at_s, at)
        until_s = certificate.kept_until_s
        reserve = Reserve(account=account.id, rest_micro=certificate.limit_micro, until_s=until_s)
        back_at_s = ends_at_s + SUBMIT_S + SKEW_S + 1
        apart = reserves.set_apart(reserve, self.family.prepaid_key(certificate.serial), back_at_s)
        dated = promised.dated(self.family.tag, account.id, certificate.serial, ends_at_s)
        return Issued(
            flows=apart.flows,
            records=(self._payer(certificate, account), dated, *apart.records),
            due=apart.due,
            answer={"certificate": msgspec.to_builtins(certificate)},
        )

    def _signed(self, application: Application, expires_at_s: int, at: At) -> Certificate:
        """A certificate for a new pseudonym."""
        key = self.setting.ring.current(self.family.certificate_key)
        pseudonym = "p_" + at.entropy[:12].hex()
        unsigned = Certificate(
            broker=self.setting.broker_id,
            currency=self.setting.currency,
            expires_at_s=expires_at_s,
            key_id=key.id,
            limit_micro=application.limit_micro,
            payer=pseudonym,
            public_key=application.public_key,
            serial=pseudonym,
            sig="",
            vendor=application.vendor,
        )
        sig = codec.b64u(signing.sign(key.secret, unsigned.signed(self.family)))
        return msgspec.structs.replace(unsigned, sig=sig)

    def _payer(self, certificate: Certificate, account: Account) -> Put:
        """Whose pseudonym it is."""
        key, until_s = self._payer_key(certificate.payer), certificate.kept_until_s
        return Put(key=key, value=account.id.encode(), until_s=until_s)

    def _bill(self, claim: CreditClaim, memory: Memory) -> Applied:
        pledge, until_s = claim.pledge, claim.pledge.billed_until_s
        due_micro, marks = self.due(claim, memory, until_s)
        if not marks:
            return Redeemed(answer={"paidMicro": 0})
        if first := contradictions.other(memory, pledge.slot_keys, pledge):
            told = "another commitment has this part of the credit"
            return contradictions.refuted(first, pledge, Conflict("slot_committed_twice", told))
        revoked = memory.records.get(self.family.revoked_key(pledge.certificate.serial))
        if revoked is not None and pledge.day > promised.last_day(revoked):
            raise Revoked("certificate_revoked", "its payer had revoked this certificate by then")
        if (payer := memory.records.get(self._payer_key(pledge.certificate.payer))) is None:
            raise Revoked("certificate_unknown", "this broker keeps no such payer any more")
        charged = self.charge(claim, payer.decode(), due_micro, memory)
        if isinstance(charged, Refuted):
            return charged
        if claim.closes:
            charged = reserves.closed(charged, self.reserve_key(pledge))
        used = contradictions.naming(memory, pledge.slot_keys, pledge, until_s)
        return Redeemed(
            flows=charged.flows,
            marks=marks,
            records=(*used, *charged.records),
            due=charged.due,
            answer={"paidMicro": due_micro},
            paid_micro=due_micro,
            batched=claim.closes,
        )

    def _revoke(self, revocation: Revocation, account: Account, memory: Memory, at: At) -> Returned:
        owner = memory.records.get(self._payer_key(revocation.serial))
        if owner is None or owner.decode() != account.id:
            raise Denied("certificate_not_yours", "only its own account revokes a certificate")
        records = self._listed(revocation.serial, account.id, "payer", memory, at)
        return Returned(records=records, answer={"revoked": revocation.serial})

    def _listed(self, serial: str, owner: str, who: str, memory: Memory, at: At) -> tuple[Put, ...]:
        """A certificate on the hot list, and its credit free; nothing where it is there."""
        listed = self.family.revoked_key(serial)
        if listed in memory.records:
            return ()  # since then, and not since now
        until_s = at.now_s + CERTIFICATE_LIFE_S + SUBMIT_S + DISPUTE_S
        value = listing(who, at.now_s)
        return (
            Put(key=listed, value=value, until_s=until_s),
            *promised.revoked(memory, owner, serial, value, at.now_s, until_s),
        )

    def _payer_key(self, payer: str) -> bytes:
        return f"{self.family.tag}/payer/{payer}".encode()


def _false_word() -> Refusal:
    return Forged("word_does_not_hash_to_last", "this word is not of the committed chain")


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
