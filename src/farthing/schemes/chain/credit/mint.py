"""Credit at the broker: certify payers, and bill what their pledges came to.

Records (key, then JSON or text; `<tag>` is the member's)::

    credit/certified/<account>           live certificates of all members: [expiry, limit, serial]
    <tag>/payer/<pseudonym>              the account behind a certificate
    <tag>/slot/<pseudonym>/<vendor>/<day>/<slot>   id of the one pledge that used it
    <tag>/revoked/<serial>               the hot list

All members draw on the one credit that the operator grants an account. The broker bears a
certificate's limit for each vendor and day: a slot of it is paid to one pledge only, and two
pledges on one slot are the payer's `Conflict`.
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
    Overlimit,
    Refusal,
    Revoked,
    Unfit,
    WrongVendor,
)
from farthing.marks import Keys, Mark, Memory, Put
from farthing.schemes.chain.credit.certificate import (
    CERTIFICATE_LIFE_S,
    DAY_S,
    DISPUTE_S,
    LIMIT_MICRO_MAX,
    SKEW_S,
    SUBMIT_S,
    Certificate,
    Family,
)
from farthing.schemes.chain.credit.pledge import Pledge
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


class Application(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """`issue`: certify this key."""

    limit_micro: int
    public_key: str


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: my key is lost; put its certificate on the hot list."""

    serial: str


class CreditClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`; a member adds what was paid under the pledge."""

    @property
    def pledge(self) -> Pledge:
        """What the payer signed."""
        raise NotImplementedError


_APPLICATION, _REVOCATION = codec.Reader(Application), codec.Reader(Revocation)


class CreditMint(Mint):
    """The broker's side of a member."""

    family: ClassVar[Family]
    claims: ClassVar[codec.Reader[Any]]
    """Reads its `CreditClaim`."""

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
        """The records that `charge` reads; nothing by default."""
        return ()

    def charge(self, claim: Any, account_id: str, due_micro: int, memory: Memory) -> Applied:
        """Who pays what is due, with records of the member's own; by default the guarantee."""
        payer = End(kind="guarantee", id=account_id)
        vendor = End(kind="vendor", id=claim.pledge.vendor)
        return Applied(flows=(Flow(source=payer, target=vendor, amount_micro=due_micro),))

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """Signatures and every link; `Forged`, `Late`, `WrongVendor`, `Overlimit`, `Denied`."""
        parsed: Any
        if operation == "issue":
            _require_role(account, "payer")
            parsed = self._check_application(_APPLICATION.convert(message), account)
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

    def _check_application(self, application: Application, account: Account) -> Application:
        codec.unb64u(application.public_key, size_bytes=32)
        if not 0 < application.limit_micro <= LIMIT_MICRO_MAX:
            raise Unfit("limit_out_of_range", f"a limit is 1 to {LIMIT_MICRO_MAX} micro-units")
        if application.limit_micro > account.credit_limit_micro:
            raise Overlimit("no_such_credit", "the operator has not granted this account so much")
        return application

    def _check_claim(self, claim: Any, account: Account, at: At) -> Any:
        pledge = claim.pledge
        if pledge.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        certificate = pledge.certificate
        certificate.require_of(self.setting.broker_id, self.setting.currency)
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
                    *self._slot_keys(pledge),
                    self._payer_key(pledge.certificate.payer),
                    *self.noted(message),
                ),
            )
        certified = _certified_key(checked.account.id)
        if isinstance(message, Revocation):
            return Keys(records=(self._payer_key(message.serial), certified))
        return Keys(records=(certified,))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Certify, bill or revoke; `Overlimit`, `Denied`."""
        message = checked.message
        if isinstance(message, CreditClaim):
            return self._bill(message, memory)
        if isinstance(message, Revocation):
            return self._revoke(message, checked.account, memory, at)
        return self._certify(message, checked.account, memory, at)

    def _certify(
        self, application: Application, account: Account, memory: Memory, at: At
    ) -> Issued:
        live = _live(memory, account.id, at.now_s)
        promised_micro = sum(limit for _, limit, _ in live) + application.limit_micro
        if promised_micro > account.credit_limit_micro:
            raise Overlimit("credit_all_certified", "revoke a certificate or ask for more credit")
        key = self.setting.ring.current(self.family.certificate_key)
        pseudonym = "p_" + at.entropy[:12].hex()
        expires_at_s = at.now_s + CERTIFICATE_LIFE_S
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
        )
        sig = codec.b64u(signing.sign(key.secret, unsigned.signed(self.family)))
        certificate = msgspec.structs.replace(unsigned, sig=sig)
        until_s = expires_at_s + SUBMIT_S + DISPUTE_S
        return Issued(
            records=(
                Put(key=self._payer_key(pseudonym), value=account.id.encode(), until_s=until_s),
                _promised(
                    account.id, [*live, (expires_at_s, application.limit_micro, pseudonym)], until_s
                ),
            ),
            answer={"certificate": msgspec.to_builtins(certificate)},
        )

    def _bill(self, claim: CreditClaim, memory: Memory) -> Redeemed:
        pledge = claim.pledge
        until_s = pledge.billed_until_s
        due_micro, marks = self.due(claim, memory, until_s)
        if not marks:
            return Redeemed(answer={"paidMicro": 0})
        slots, own_id = self._slot_keys(pledge), pledge.id.encode()
        if any(memory.records.get(key, own_id) != own_id for key in slots):
            raise Conflict("slot_committed_twice", "another commitment has this part of the credit")
        payer = memory.records.get(self._payer_key(pledge.certificate.payer))
        if payer is None:
            raise Revoked("certificate_unknown", "this broker keeps no such payer any more")
        charged = self.charge(claim, payer.decode(), due_micro, memory)
        used = tuple(Put(key=key, value=own_id, until_s=until_s) for key in slots)
        return Redeemed(
            flows=charged.flows,
            marks=marks,
            records=(*used, *charged.records),
            due=charged.due,
            answer={"paidMicro": due_micro},
            paid_micro=due_micro,
        )

    def _revoke(self, revocation: Revocation, account: Account, memory: Memory, at: At) -> Returned:
        owner = memory.records.get(self._payer_key(revocation.serial))
        if owner is None or owner.decode() != account.id:
            raise Denied("certificate_not_yours", "only its own account revokes a certificate")
        until_s = at.now_s + CERTIFICATE_LIFE_S + SUBMIT_S + DISPUTE_S
        put = Put(key=self.family.revoked_key(revocation.serial), value=b"payer", until_s=until_s)
        live = [one for one in _live(memory, account.id, at.now_s) if one[2] != revocation.serial]
        return Returned(
            records=(put, _promised(account.id, live, until_s)),
            answer={"revoked": revocation.serial},
        )

    def _payer_key(self, payer: str) -> bytes:
        return f"{self.family.tag}/payer/{payer}".encode()

    def _slot_keys(self, pledge: Pledge) -> tuple[bytes, ...]:
        payer, vendor = pledge.certificate.payer, pledge.vendor
        return tuple(
            f"{self.family.tag}/slot/{payer}/{vendor}/{pledge.day}/{slot}".encode()
            for slot in pledge.taken_slots
        )


def _certified_key(account_id: str) -> bytes:
    return f"credit/certified/{account_id}".encode()


def _live(memory: Memory, account_id: str, now_s: int) -> list[tuple[int, int, str]]:
    """Expiry, limit and serial of every certificate of an account that may still be used."""
    kept = memory.records.get(_certified_key(account_id), b"[]")
    found = msgspec.json.decode(kept, type=list[tuple[int, int, str]])
    return [one for one in found if one[0] + SKEW_S >= now_s]


def _promised(account_id: str, live: list[tuple[int, int, str]], until_s: int) -> Put:
    return Put(key=_certified_key(account_id), value=msgspec.json.encode(live), until_s=until_s)


def _false_word() -> Refusal:
    return Forged("word_does_not_hash_to_last", "this word is not of the committed chain")


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
