"""What a vendor fetches of its broker: signed documents, whatever is in them."""

from collections.abc import Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from farthing import codec
from farthing.crypto import signing
from farthing.lab.conformance.room import START_S, Ring
from farthing.stores.keys import make_signing_key
from farthing.stores.memory import MemoryMarks
from farthing.vendor import broker_client, lists
from tests.fuzz.heard import fresh
from tests.fuzz.parser import Parser

T = TypeVar("T")

ROOT = make_signing_key(lists.BROKER_ROOT_KEY, bytes(32))
SCHEME, REVOKED = "payword", b"payword/revoked/"


def parsers() -> list[Parser]:
    """Their rows."""
    return [
        Parser("vendor.lists.fetch_keys", _keys, _key_documents),
        Parser("vendor.lists.refresh_list", _list, lambda: (_whole_list(), _newer_list())),
    ]


class _Said:
    """A broker that shows one document, under a signature of its root key."""

    def __init__(self, raw: bytes) -> None:
        document = broker_client._value(200, raw)
        if isinstance(document, dict):
            document.pop("sig", None)
            with suppress(TypeError):  # a key that is no text is none of a JSON object
                sig = signing.sign(ROOT.secret, codec.canonical(document))
                document["sig"] = "ed25519:" + codec.b64u(sig)
        self._document = document

    async def get(self, path: str) -> Any:
        """Whatever is asked for."""
        return self._document


def _key_documents() -> tuple[bytes, ...]:
    keys = [{"id": ROOT.id, "public": codec.b64u(ROOT.public), "purpose": ROOT.purpose}]
    return (codec.canonical({"broker": "broker", "currency": "eur", "keys": keys}),)


def _keys(raw: bytes) -> Any:
    source = _Said(raw)
    document, keys = finished(lists.fetch_keys(source, ROOT.public))
    ring: Any = Ring(ROOT)
    finished(lists.refresh_keys(source, ring, ROOT.id))
    return document, keys


@cache
def _whole_list() -> bytes:
    """What a broker shows to whoever has no list yet."""
    bank = fresh(SCHEME).bank
    bank.room.wait_for(bank.engine.operations.revoke(SCHEME, "certificate-1", "a test"))
    return _unsigned(bank._broker.list_document(SCHEME))


def _newer_list() -> bytes:
    """What is new to whoever has the whole one."""
    known = codec.read_open(_whole_list(), dict)
    news = {"number": known["number"] + 1, "revoked": ["b"], "since": known["number"]}
    return codec.canonical(known | news)


def _unsigned(raw: bytes) -> bytes:
    document = codec.read_open(raw, dict)
    return codec.canonical({name: value for name, value in document.items() if name != "sig"})


def _list(raw: bytes) -> Any:
    """At a vendor that has the whole list; as it has fetched that, too."""
    marks = MemoryMarks()
    return [
        finished(lists.refresh_list(_Said(shown), marks, SCHEME, REVOKED, ROOT.public, START_S))
        for shown in (_whole_list(), raw)
    ]


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nobody."""
    try:
        work.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    raise AssertionError("it waits")
