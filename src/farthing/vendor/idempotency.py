"""`Idempotency-Key`: a payer's own name for a purchase, over and above K.

Within one vendor and one owner of instruments a key buys once: another payment under it is
`Reused`, whatever it pays with. The payment itself is known by K, with or without the key. Source:
wire format, section 8; that the owner stands for the instrument is ours, since change and the next
chain are other instruments of the same owner.
"""

import hashlib
import re
from collections.abc import Generator, Sequence

import msgspec

from farthing import codec, marks
from farthing.errors import BadRequest, Reused
from farthing.schemes.contract import Taken
from farthing.vendor.commands import GateCommand, expect

HEADER = b"idempotency-key"
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")  # visible ASCII
_ID = b"idempotency/"


def key_in(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The key of a request; empty without one; `BadRequest` for a wrong one, and for two."""
    found = [value for name, value in headers if name == HEADER]
    if not found:
        return b""
    if len(found) > 1 or not _KEY.fullmatch(found[0]):
        raise BadRequest(
            "idempotency_key_malformed", "send one key of 1 to 255 visible ASCII characters"
        )
    return found[0]


def narrowed(
    taken: Taken, scheme: str, key: bytes, digest: bytes
) -> Generator[GateCommand, object, Taken]:
    """`taken` with the mark and record of its key; `Reused` where the key bought something else.

    The mark decides between two payments at once, the record says later which one it was.
    """
    name = hashlib.sha256(codec.enc(scheme, taken.owner, key)).digest()
    memory = expect(marks.Memory, (yield marks.Read(keys=marks.Keys(records=(_ID + name,)))))
    if memory.records.get(_ID + name, digest) != digest:
        raise Reused("idempotency_key_reused", "this Idempotency-Key was used for another payment")
    once = marks.Once(id=_ID + name, until_s=taken.until_s)
    put = marks.Put(key=_ID + name, value=digest, until_s=taken.until_s)
    return msgspec.structs.replace(taken, marks=(*taken.marks, once), records=(*taken.records, put))
