"""Brokers at which the payer has no account: which of its own sells what they issue.

A broker names its peers in its key document, which it signs and serves over TLS. The wallet asks
its own brokers for it when an offer names a broker that it does not know, and remembers what it
finds: what was bought through a broker goes back through it.
"""

from collections.abc import Iterable, Mapping

import msgspec

from farthing import codec
from farthing.errors import Malformed
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Broker, KeepPeer, Request, Response, SendRequest, Sent
from farthing.wallet.errand import Flow
from farthing.wallet.patience import patiently
from farthing.wire.offers import Received

KEYS_PATH = "/.well-known/farthing-keys"
UNKNOWN_MAX = 4  # brokers of one answer that are looked for: a 402 has few offers


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a broker's key document."""

    broker: str
    peers: tuple[str, ...] = ()


def reachable(accounts: Mapping[str, Broker], peers: Mapping[str, str]) -> dict[str, Broker]:
    """Every broker whose vendors can be paid: those with an account, and theirs."""
    found = {
        broker_id: msgspec.structs.replace(accounts[home_id], id=broker_id, via=home_id)
        for broker_id, home_id in peers.items()
        if home_id in accounts
    }
    return found | dict(accounts)


def learn(guide: Guide, offers: Iterable[Received]) -> Flow[Guide]:
    """The guide with whoever sells for the brokers that offers name and we do not know."""
    wanted = dict.fromkeys(
        (each.offer.broker_id, each.offer.currency)
        for each in offers
        if each.offer.broker_id not in guide.brokers and each.offer.scheme in guide.order
    )
    for broker_id, currency in list(wanted)[:UNKNOWN_MAX]:
        for home in tuple(guide.brokers.values()):
            if home.via or home.currency != currency:
                continue
            if broker_id in (yield from _peers_of(home)):
                yield KeepPeer(broker_id=broker_id, home_id=home.id)
                brokers = reachable(guide.brokers, {broker_id: home.id})
                guide = msgspec.structs.replace(guide, brokers=brokers)
                break
    return guide


def _peers_of(home: Broker) -> Flow[tuple[str, ...]]:
    answer: Sent = yield from patiently(
        SendRequest(request=Request(method="GET", url=home.url + KEYS_PATH), leg="keys")
    )
    if not isinstance(answer, Response) or answer.status != 200:
        return ()
    try:
        document = codec.read_open(answer.body, KeyDocument)
    except Malformed:
        return ()
    return document.peers if document.broker == home.id else ()
