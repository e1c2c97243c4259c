"""What a vendor fetches from its broker now and then: public keys and revocations.

Both documents are signed by the broker's root key, which was pinned when the vendor's folder was
made; a broker that shows another root is refused. New keys join the ring, revoked names become
records that tills look up. Nothing is ever taken off: a name on the list stays until it is
forgotten with its instrument. So the names of an old list are taken, too, though tills do not hear
of a list that is old.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Protocol

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import Expired, Forged, Malformed, Refusal, Unavailable
from farthing.schemes.contract import Json, Key
from farthing.schemes.revocations import ListState, read_state, state_key
from farthing.stores.keys import KeyRing
from farthing.vendor.driver import MarkStore

BROKER_ROOT_KEY = "farthing/broker/root/1"
KEYS_PATH = "/.well-known/farthing-keys"
SKEW_S = 120  # between the broker's clock and ours
FETCH_KEPT_S = 600  # that a list was fetched: a repeat of it comes at once, if at all
KEPT_S = 60 * 86_400  # a revoked name outlives whatever it names


class Source(Protocol):
    """The broker's public documents."""

    async def get(self, path: str) -> Json:
        """A document; `Unavailable`."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the key document."""

    id: str
    public: str
    purpose: str


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker says of itself."""

    broker: str
    currency: str
    keys: tuple[Entry, ...]


_Natural = Annotated[int, msgspec.Meta(ge=0, le=codec.JSON_INT_MAX)]


class ListDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A scheme's revocations."""

    broker: str
    issued_at_s: _Natural
    next_update_s: _Natural
    number: _Natural = 0
    revoked: tuple[str, ...]
    scheme: str
    since: _Natural = 0


def verify_document(document: Json, root_public: bytes) -> None:
    """`Malformed` without a signature, `Forged` unless it is the root key's."""
    if not isinstance(document, dict):
        raise Malformed("document_malformed", "expected a signed object")
    kind, _, sig = str(document.get("sig")).partition(":")
    if kind != "ed25519":
        raise Malformed("document_unsigned", "the broker's document has no signature")
    unsigned = {name: value for name, value in document.items() if name != "sig"}
    signing.verify(root_public, codec.canonical(unsigned), codec.unb64u(sig, size_bytes=64))


async def fetch_keys(broker: Source, root_public: bytes = b"") -> tuple[KeyDocument, list[Key]]:
    """The broker's key document and keys; `Forged` if its root is not the pinned one.

    Without a pinned root (the first time) the document's own root vouches for it, and the
    connection's TLS for that.
    """
    document = await broker.get(KEYS_PATH)
    try:
        found = msgspec.convert(document, KeyDocument)
    except msgspec.ValidationError:
        raise Malformed("document_malformed", "expected broker, currency and keys") from None
    keys = [
        Key(id=one.id, purpose=one.purpose, public=codec.unb64u(one.public, size_bytes=32))
        for one in found.keys
    ]
    roots = [key.public for key in keys if key.purpose == BROKER_ROOT_KEY]
    if root_public and root_public not in roots:
        raise Forged("broker_root_changed", "this broker shows another root key than it had")
    if not roots:
        raise Malformed("document_malformed", "the broker shows no root key")
    verify_document(document, root_public or roots[0])
    return found, keys


async def refresh_keys(broker: Source, ring: KeyRing, root_id: str) -> int:
    """Add the broker's new keys to the ring; how many there were."""
    root = ring.find(BROKER_ROOT_KEY, root_id)
    if root is None:
        raise Forged("broker_root_missing", "the ring has lost the broker's root key")
    _, keys = await fetch_keys(broker, root.public)
    fresh = [
        key
        for key in keys
        if key.purpose != BROKER_ROOT_KEY and ring.find(key.purpose, key.id) is None
    ]
    for key in fresh:
        ring.add(key)
    return len(fresh)


async def refresh_list(
    broker: Source, store: MarkStore, scheme: str, prefix: bytes, root_public: bytes, now_s: int
) -> int:
    """Record what is new of a scheme's revocations; how many names came. `Forged`.

    `Expired` for a list that is old: its names are recorded, and not that there is a list of now.
    """
    key = state_key(scheme)
    memory: marks.Memory = await store.do(marks.Read(keys=marks.Keys(records=(key,))))
    known = read_state(memory.records.get(key))
    since = known.number if known is not None else 0
    document = await broker.get(f"/lists/{scheme}" + (f"?since={since}" if since else ""))
    verify_document(document, root_public)
    try:
        found = msgspec.convert(document, ListDocument)
    except msgspec.ValidationError:
        raise Malformed("document_malformed", "expected broker, scheme and revoked") from None
    if found.scheme != scheme:
        raise Forged("list_of_another_scheme", "the broker answered with another list")
    if found.since > since:
        raise Forged("list_has_a_gap", "the broker answered with what is new since another list")
    is_stale = now_s > found.next_update_s + SKEW_S
    names = sorted(set(found.revoked))
    state = ListState(
        number=found.number, this_update_s=found.issued_at_s, next_update_s=found.next_update_s
    )
    digest = hashlib.sha256(codec.canonical([names, state, is_stale])).digest()
    until_s = now_s + KEPT_S
    hold = marks.Hold(
        k=f"list/{scheme}/{codec.b64u(digest)}",
        digest=digest,
        marks=(),
        kept=b"",
        now_s=now_s,
        lease_until_s=now_s,
        until_s=now_s + FETCH_KEPT_S,
    )
    records = tuple(
        marks.Put(key=prefix + name.encode(), value=b"", until_s=until_s) for name in names
    )
    if not is_stale:
        records = (*records, state.put(scheme, until_s))
    await store.do(marks.Take(hold=hold, outcome=b"", records=records))
    if is_stale:
        raise Expired("list_stale", "the broker shows an old list, or our clock is ahead")
    return len(names)


async def refresh_all(
    broker: Source,
    store: MarkStore,
    ring: KeyRing,
    root_id: str,
    prefixes: Mapping[str, bytes],
    now_s: int,
) -> int:
    """The broker's new keys, then every list of these schemes; how many names came.

    `prefixes`: of the records, by scheme. One list that is refused keeps no other from its turn;
    the first refusal is raised at the end.
    """
    await refresh_keys(broker, ring, root_id)
    root = ring.find(BROKER_ROOT_KEY, root_id)
    assert root is not None, "its keys were just checked under it"
    count, trouble = 0, list[Refusal]()
    for scheme, prefix in prefixes.items():
        try:
            count += await refresh_list(broker, store, scheme, prefix, root.public, now_s)
        except Unavailable:  # the next one would wait as long
            raise
        except Refusal as wrong:
            trouble.append(wrong)
    if trouble:
        raise trouble[0]
    return count
