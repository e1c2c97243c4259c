"""Two pledges of one payer that cannot both be true, kept by whoever refuses the second.

    <tag>/conflict/<pseudonym>/<vendor>/<day>    both of them, as their payer has signed them

A record that says which pledge has a slot of the credit, or a serial, has the pledge itself behind
its id, but for the certificate: the second one of the same payer brings that. One pair is kept for
each vendor and day, the last. Source: the scheme documents (`Conflict`); the form is ours.
"""

from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Conflict, Mismatch
from farthing.marks import Memory, Put
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.pledge import ID_CHARS, Pledge
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.contract import Applied, Json, Setting
from farthing.schemes.refutals import Refuted

CERTIFICATE = "certificate"


class Twice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both pledges."""

    first: dict[str, Json]
    """That was paid."""
    second: dict[str, Json]


_TWICE = codec.Reader(Twice)


def other(memory: Memory, keys: tuple[bytes, ...], pledge: Pledge) -> bytes:
    """What one of these records has of another pledge; empty where none does."""
    own_id = pledge.id.encode()
    found = (memory.records.get(key, own_id) for key in keys)
    return next((value for value in found if value[:ID_CHARS] != own_id), b"")


def naming(
    memory: Memory, keys: tuple[bytes, ...], pledge: Pledge, until_s: int
) -> tuple[Put, ...]:
    """The records that name it: they stay as its first claim has written them."""
    value = memory.records.get(keys[0])
    if value is None:
        body = msgspec.to_builtins(pledge)
        del body[CERTIFICATE]
        value = pledge.id.encode() + codec.canonical(body)
    return tuple(Put(key=key, value=value, until_s=until_s) for key in keys)


def refuted(first: bytes, second: Pledge, refusal: Conflict) -> Applied:
    """`refusal`, with what proves it; raised where the record of the first has its id alone.

    Such are those of earlier versions, for a month.
    """
    if len(first) == ID_CHARS:
        raise refusal
    return Refuted(refusal=refusal, records=(_evidence(first, second),))


def shown(first: bytes, second: Pledge, refusal: Conflict) -> Conflict:
    """`refusal` of a till, with what proves it; none for a record of an earlier version."""
    refusal.evidence = _evidence(first, second) if len(first) > ID_CHARS else None
    return refusal


def _evidence(first: bytes, second: Pledge) -> Put:
    body = msgspec.to_builtins(second)
    before = codec.read_json(first[ID_CHARS:])
    assert isinstance(before, dict), "as it was written"
    both = Twice(first=before | {CERTIFICATE: body[CERTIFICATE]}, second=body)
    name = f"{second.certificate.payer}/{second.vendor}/{second.day}"
    key = second.family.conflict_prefix + name.encode()
    return Put(key=key, value=codec.canonical(both), until_s=second.billed_until_s)


def is_twice(disclosed: Json) -> bool:
    """Whether something that is shown to be judged is of this kind."""
    return isinstance(disclosed, dict) and disclosed.keys() == set(Twice.__struct_fields__)


def judged(disclosed: Json, reader: codec.Reader[Any], family: Family, setting: Setting) -> Json:
    """Whose pledges they are, and of what.

    `Forged` unless the payer of a certificate of ours has signed both, `Mismatch` where they agree.
    """
    found = _TWICE.convert(disclosed)
    both: list[Pledge] = [reader.convert(found.first), reader.convert(found.second)]
    for pledge in both:
        certificate = pledge.certificate
        certificate.require_of(setting.broker_id, setting.currency)
        certificate.verify(family, setting.ring, pledge.day * DAY_S - SKEW_S)
        pledge.verify()
    first, second = both
    about = [(one.certificate.payer, one.vendor, one.day) for one in both]
    shared = set(first.taken_slots) & set(second.taken_slots)
    serials = {getattr(one, "serial", one.id) for one in both}
    if about[0] != about[1] or first.id == second.id or (not shared and len(serials) > 1):
        raise Mismatch("pledges_agree", "these two can both be true")
    return {
        "day": second.day,
        "payer": second.certificate.payer,
        "pledges": [one.id for one in both],
        "vendors": [second.vendor],
        "worthMicro": second.worth_micro,
    }
