"""The issuer's side of a scheme, with what it refuses where a scheme declares nothing."""

from collections.abc import Sequence
from typing import ClassVar

from farthing.errors import Refusal, Unsupported
from farthing.marks import NO_KEYS, Keys, Memory, Put
from farthing.schemes.messages import Applied, Checked, Operation
from farthing.schemes.revocations import listing
from farthing.schemes.setting import Account, At, Json, Setting, Traits

Batch = Sequence[tuple[Json, Account, At]]  # messages, each with who sent it


class Mint:
    """The issuer's side of a scheme."""

    traits: ClassVar[Traits]
    published: ClassVar[bytes] = b""
    """Prefix of the records that the broker publishes as a signed list: revocations, by name."""
    listed_s: ClassVar[int] = 60 * 86_400
    """How long a name stays on it: longer than what it names can still be claimed for."""
    contradicted: ClassVar[bytes] = b""
    """Prefix of the records that keep what `judge` takes: two statements of one payer that cannot
    both be true. The operator reads them (`broker/conflicts.py`)."""
    signing: ClassVar[tuple[str, ...]] = ()
    """Purposes of the Ed25519 keys that the issuer's ring must hold and publish: of this scheme
    only, whatever it inherits. `registry.verify_purposes` holds it."""
    sealing: ClassVar[tuple[str, ...]] = ()
    """Purposes of the symmetric keys that the issuer's ring must hold: likewise."""
    shared: ClassVar[bytes] = b""
    """Prefix of the records that many payments draw on. A reservation changes them at once and
    holds none of them, so nobody waits for another's payment; `put_back` undoes its part."""
    given: ClassVar[tuple[bytes, ...]] = ()
    """Prefixes of the records that say what is given out next, as serials: see `rewind`."""
    costly: ClassVar[tuple[Operation, ...]] = ()
    """Whose `check` takes so long that others are not to wait for it: it runs in a thread."""

    def __init__(self, setting: Setting) -> None:
        """For one issuer."""
        self.setting = setting

    def is_bearer(self, operation: Operation, message: Json) -> bool:
        """Whether this message, if right, pays for itself: `check` has an account of no name."""
        return False

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """All cryptography of one operation, no state; any refusal."""
        raise Unsupported("operation_unsupported", f"{self.traits.name} has no {operation}")

    def check_all(self, operation: Operation, asked: Batch) -> list[Checked | Refusal]:
        """`check` of each message, in their order; a refusal stands for its own message only."""
        found: list[Checked | Refusal] = []
        for message, account, at in asked:
            try:
                found.append(self.check(operation, message, account, at))
            except Refusal as refusal:
                found.append(refusal)
        return found

    def found(self, at: At) -> Applied | None:
        """What a new issuer begins with, and again after a restore, under new names; or None."""
        return None

    def rewind(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """A `given` record where the books are older: what it gave out since stays out; or None."""
        return None

    def can_verify(self, series: str) -> bool:
        """Whether the ring has the keys of what is out in an `outstanding` account."""
        return True

    def series(self, checked: Checked) -> str:
        """The series from which `apply` wants one leased serial; empty for none."""
        return ""

    def recall(self, checked: Checked) -> Keys:
        """What `apply` will read."""
        return NO_KEYS

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Decide, on the state that `recall` named; any refusal."""
        raise NotImplementedError

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """The shared records of a reserved decision as they are once it is void.

        `memory` has them as they stand now. Asked when it is reserved too: `Unsupported` for a
        decision that could not be taken back is heard before anything is held.
        """
        raise NotImplementedError

    def judge(self, disclosed: Json) -> Json:
        """What was ordered, or who has said two things, in plain fields; any refusal.

        Of what payer or vendor have shown, or of a record below `contradicted`.
        """
        raise Unsupported("disclosure_unsupported", f"{self.traits.name} hides nothing to open")

    def resume(self, kept: bytes, outcome: Json | Refusal, at: At) -> Checked:
        """What another broker's answer to an `Abroad` means, for `recall` and `apply`.

        After a refusal the decision undoes what `Abroad` had done. `Mismatch` for an answer that is
        not right: then it is asked once more, with a refusal.
        """
        raise Unsupported("peer_unsupported", f"{self.traits.name} is not bought of other brokers")

    def pseudonym_key(self, name: str) -> bytes:
        """Key of the record in which a payer's name at vendors is found; empty for none.

        Such a record lasts as long as what was paid under the name can be disputed.
        """
        return b""

    def account_in(self, value: bytes) -> str:
        """Whose name it is, by the record that `pseudonym_key` has named."""
        return value.decode()

    def recall_names(self, account_id: str) -> Keys:
        """What `names_in` will read."""
        return NO_KEYS

    def names_in(self, memory: Memory, now_s: int) -> tuple[str, ...]:
        """What an account has out that can be `barred`, of this scheme and maybe of others."""
        return ()

    def recall_barred(self, name: str, account_id: str) -> Keys:
        """What `barred` will read."""
        return Keys(records=(self.published + name.encode(),))

    def barred(self, name: str, account_id: str, memory: Memory, at: At) -> Applied:
        """A name that the operator puts on the list: since now, or since it is there.

        `account_id`: whose it is, where `pseudonym_key` leads to that, else empty.
        """
        key = self.published + name.encode()
        if key in memory.records:
            return Applied()
        until_s = at.now_s + self.listed_s
        return Applied(records=(Put(key=key, value=listing("broker", at.now_s), until_s=until_s),))

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What time alone does to one record: expiry, closing, windows. None: nothing."""
        return None
