"""PayWord at the broker: certify payers, and bill the last word of each chain.

Records (key, then JSON or text)::

    payword/payer/<pseudonym>            the account behind a certificate
    payword/certified/<account>          live certificates: [expiry, limit, serial] each
    payword/slot/<pseudonym>/<vendor>/<day>/<slot>   id of the one commitment that used it
    payword/revoked/<serial>             the hot list

A counter per chain holds the highest index that was paid, so a second redemption pays the
difference. The broker bears a certificate's limit for each vendor and day: a slot of it is paid to
one commitment only, and two commitments on one slot are the payer's `Conflict`.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import (
    Conflict,
    Denied,
    Late,
    OutOfRange,
    Overlimit,
    Revoked,
    Unfit,
    WrongVendor,
)
from farthing.marks import Advance, Keys, Memory, Put
from farthing.schemes.chain.payword.commitment import (
    CERTIFICATE_KEY,
    CERTIFICATE_LIFE_S,
    DAY_S,
    DISPUTE_S,
    LIMIT_MICRO_MAX,
    REVOKED_PREFIX,
    SKEW_S,
    SUBMIT_S,
    TRAITS,
    Certificate,
    Commitment,
    Link,
    counter_id,
    require_vouched,
    revoked_key,
    verify_certificate,
    verify_commitment,
)
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
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


class ClaimMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: the commitment and the last word of each chain that is claimed."""

    commitment: Commitment
    links: tuple[Link, ...]

    def __repr__(self) -> str:
        """Denominations and indices only: a word is worth money."""
        return f"ClaimMessage({[link[:2] for link in self.links]})"


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: my key is lost; put its certificate on the hot list."""

    serial: str


_APPLICATION, _CLAIM = codec.Reader(Application), codec.Reader(ClaimMessage)
_REVOCATION = codec.Reader(Revocation)


def _payer_key(payer: str) -> bytes:
    return f"payword/payer/{payer}".encode()


def _certified_key(account_id: str) -> bytes:
    return f"payword/certified/{account_id}".encode()


def _slot_keys(commitment: Commitment) -> tuple[bytes, ...]:
    payer, vendor = commitment.certificate.payer, commitment.vendor
    return tuple(
        f"payword/slot/{payer}/{vendor}/{commitment.day}/{slot}".encode()
        for slot in commitment.taken_slots
    )


class PaywordMint(Mint):
    """The broker's side."""

    traits = TRAITS
    published = REVOKED_PREFIX
    signing = (CERTIFICATE_KEY,)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """Signatures and every link; `Forged`, `Late`, `WrongVendor`, `Overlimit`, `Denied`."""
        parsed: Application | ClaimMessage | Revocation
        if operation == "issue":
            _require_role(account, "payer")
            parsed = self._check_application(_APPLICATION.convert(message), account)
        elif operation == "redeem":
            _require_role(account, "vendor")
            parsed = self._check_claim(_CLAIM.convert(message), account, at)
        elif operation == "take_back":
            _require_role(account, "payer")
            parsed = _REVOCATION.convert(message)
        else:
            return super().check(operation, message, account, at)
        return Checked(operation=operation, message=parsed, account=account)

    def _check_application(self, application: Application, account: Account) -> Application:
        codec.unb64u(application.public_key, size_bytes=32)
        if not 0 < application.limit_micro <= LIMIT_MICRO_MAX:
            raise Unfit("limit_out_of_range", f"a limit is 1 to {LIMIT_MICRO_MAX} micro-units")
        if application.limit_micro > account.credit_limit_micro:
            raise Overlimit("no_such_credit", "the operator has not granted this account so much")
        return application

    def _check_claim(self, claim: ClaimMessage, account: Account, at: At) -> ClaimMessage:
        commitment = claim.commitment
        if commitment.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        require_vouched(commitment, self.setting.broker_id, self.setting.currency)
        if at.now_s > commitment.ends_at_s + SUBMIT_S + SKEW_S:
            raise Late("claim_after_submit_window", "a day's words are redeemed within a day")
        certificate = commitment.certificate
        # As early as the vendor may have taken it: a certificate that ended later that day counts.
        verify_certificate(certificate, self.setting.ring, commitment.day * DAY_S - SKEW_S)
        verify_commitment(commitment)
        claimed = {denomination for denomination, _, _ in claim.links}
        if not claim.links or len(claimed) != len(claim.links):
            raise Unfit("denomination_repeated", "one link for each chain")
        roots = {value: (length, root) for value, length, root in commitment.chains}
        if not claimed <= roots.keys():
            raise OutOfRange("denomination_unknown", "the commitment has no such chain")
        for denomination, index, _ in claim.links:
            if not 0 < index <= roots[denomination][0]:
                length = roots[denomination][0]
                raise OutOfRange("chain_index_above_length", f"this chain has {length} links")
        key = chain.link_key(codec.unb64u(commitment.salt, size_bytes=chain.SALT_BYTES))
        for denomination, index, text in claim.links:
            word = codec.unb64u(text, size_bytes=chain.WORD_BYTES)
            chain.verify_word(key, word, index, codec.unb64u(roots[denomination][1]), 0)
        return claim

    def recall(self, checked: Checked) -> Keys:
        """The chain's counter, the day's slots and the payer's account."""
        message = checked.message
        if isinstance(message, ClaimMessage):
            commitment = message.commitment
            return Keys(
                counters=tuple(counter_id(commitment.id, link[0]) for link in message.links),
                records=(*_slot_keys(commitment), _payer_key(commitment.certificate.payer)),
            )
        if isinstance(message, Revocation):
            return Keys(records=(_payer_key(message.serial), _certified_key(checked.account.id)))
        return Keys(records=(_certified_key(checked.account.id),))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Certify, bill or revoke; `Overlimit`, `Denied`."""
        message = checked.message
        if isinstance(message, ClaimMessage):
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
        key = self.setting.ring.current(CERTIFICATE_KEY)
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
        sig = codec.b64u(signing.sign(key.secret, unsigned.signed()))
        certificate = msgspec.structs.replace(unsigned, sig=sig)
        until_s = expires_at_s + SUBMIT_S + DISPUTE_S
        return Issued(
            records=(
                Put(key=_payer_key(pseudonym), value=account.id.encode(), until_s=until_s),
                _promised(
                    account.id, [*live, (expires_at_s, application.limit_micro, pseudonym)], until_s
                ),
            ),
            answer={"certificate": msgspec.to_builtins(certificate)},
        )

    def _bill(self, claim: ClaimMessage, memory: Memory) -> Redeemed:
        commitment = claim.commitment
        until_s = commitment.ends_at_s + SUBMIT_S + DISPUTE_S
        due_micro = 0
        marks: list[Advance] = []
        for denomination, index, text in claim.links:
            mark_id = counter_id(commitment.id, denomination)
            place = memory.counters.get(mark_id)
            last = place.to if place is not None else 0
            if index > last:
                due_micro += denomination * (index - last)
                link = codec.unb64u(text)
                marks.append(Advance(id=mark_id, over=last, to=index, link=link, until_s=until_s))
        if not marks:
            return Redeemed(answer={"paidMicro": 0})
        slots, own_id = _slot_keys(commitment), commitment.id.encode()
        if any(memory.records.get(key, own_id) != own_id for key in slots):
            raise Conflict("slot_committed_twice", "another commitment has this part of the credit")
        payer = memory.records.get(_payer_key(commitment.certificate.payer))
        if payer is None:
            raise Revoked("certificate_unknown", "this broker keeps no such payer any more")
        return Redeemed(
            flows=(
                Flow(
                    source=End(kind="guarantee", id=payer.decode()),
                    target=End(kind="vendor", id=commitment.vendor),
                    amount_micro=due_micro,
                ),
            ),
            marks=tuple(marks),
            records=tuple(Put(key=key, value=own_id, until_s=until_s) for key in slots),
            answer={"paidMicro": due_micro},
            paid_micro=due_micro,
        )

    def _revoke(self, revocation: Revocation, account: Account, memory: Memory, at: At) -> Returned:
        owner = memory.records.get(_payer_key(revocation.serial))
        if owner is None or owner.decode() != account.id:
            raise Denied("certificate_not_yours", "only its own account revokes a certificate")
        until_s = at.now_s + CERTIFICATE_LIFE_S + SUBMIT_S + DISPUTE_S
        put = Put(key=revoked_key(revocation.serial), value=b"payer", until_s=until_s)
        live = [one for one in _live(memory, account.id, at.now_s) if one[2] != revocation.serial]
        return Returned(
            records=(put, _promised(account.id, live, until_s)),
            answer={"revoked": revocation.serial},
        )


def _live(memory: Memory, account_id: str, now_s: int) -> list[tuple[int, int, str]]:
    """Expiry, limit and serial of every certificate of an account that may still be used."""
    kept = memory.records.get(_certified_key(account_id), b"[]")
    found = msgspec.json.decode(kept, type=list[tuple[int, int, str]])
    return [one for one in found if one[0] + SKEW_S >= now_s]


def _promised(account_id: str, live: list[tuple[int, int, str]], until_s: int) -> Put:
    return Put(key=_certified_key(account_id), value=msgspec.json.encode(live), until_s=until_s)


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
