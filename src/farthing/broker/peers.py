"""Other brokers: where they are, what we have with them, and how that is settled.

We are a payer at a peer: an account there, whose token is kept sealed. `asset/peer/<id>` is what
stands between us, on either side: below zero we owe for what we have sold of its vendors, above it
the peer has money of ours. What it lets us buy is bounded by our balance there, and by the peer.

The commission is what the two operators have agreed on: parts per 10,000 of what we sell for the
peer, a claim of ours that it settles with us. Its remainder is carried as a vendor's is.
"""

from collections.abc import Iterable
from typing import Protocol

import apsw
import msgspec

from farthing import codec, ids
from farthing.broker import clearing, journal
from farthing.broker.answers import Asked
from farthing.broker.books import Books
from farthing.broker.vault import Vault
from farthing.errors import Mismatch, OutOfRange, Refusal, Unknown
from farthing.ledger import accounts
from farthing.ledger.transfers import Posting
from farthing.money import ACCOUNT_MICRO_MAX, require_micro
from farthing.rails import manual
from farthing.schemes.contract import Flow, Json, Operation

TOKEN_TAG = "farthing/broker/peer/1"  # noqa: S105 - a domain tag, no secret


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A broker that we buy from. Its repr shows no token."""

    id: str
    url: str
    token: str
    """Of our account there."""
    commission_e4: int
    carry_e4: int
    """What rounding has left over, in 1/10,000 of a micro-unit."""

    def __repr__(self) -> str:
        """Who and where only."""
        return f"Peer({self.id}, {self.url})"


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer says of itself and of our account there."""

    broker_id: str
    url: str
    """Where it was met, without a slash at its end."""
    currency: str
    balance_micro: int


class Courier(Protocol):
    """Speaks to other brokers."""

    async def meet(self, url: str, token: str) -> Met:
        """Who is there, and what we have there.

        `Misconfigured` for a URL that is not https, `Unavailable`, `Undecided`, `Denied`.
        """

    async def carry(
        self, peer: Peer, scheme: str, operation: Operation, message: Json, key: str
    ) -> Json:
        """The peer's answer to one message, or the refusal that is its decision.

        `Unavailable` where the message surely never left; `Undecided` where nobody knows.
        """


class AddPeer(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Buy of this broker from now on; again: with another address or token. `OutOfRange`."""

    id: str
    url: str
    token: str
    commission_e4: int = 0

    def __post_init__(self) -> None:
        """The ranges."""
        ids.require_broker_id(self.id)
        accounts.rule_of(accounts.peer(self.id))
        if not 0 <= self.commission_e4 <= clearing.COMMISSION_E4_MAX:
            raise OutOfRange("commission_out_of_range", "0 to 10000 parts per 10,000")

    def __repr__(self) -> str:
        """Who and where only."""
        return f"AddPeer({self.id}, {self.url})"


class PeerPayment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Money went to a peer at the bank, or came from it. `OutOfRange`."""

    amount_micro: int
    reference: str
    """The bank's own reference, never used twice."""
    received: bool = False

    def __post_init__(self) -> None:
        """The ranges."""
        if not require_micro(self.amount_micro, largest_micro=ACCOUNT_MICRO_MAX):
            raise OutOfRange("amount_out_of_range", "an amount of 0 moves nothing")
        manual.require_reference(self.reference)


def find(connection: apsw.Connection, vault: Vault, peer_id: str) -> Peer:
    """The peer; `Unknown`."""
    row = connection.execute(
        "SELECT url, token, commission, carry FROM peers WHERE id = ?", (peer_id,)
    ).fetchone()
    if row is None:
        raise Unknown("peer_unknown", f"this broker buys of no broker {peer_id[:64]!r}")
    url, sealed, commission_e4, carry_e4 = row
    token = vault.open(sealed, codec.enc(TOKEN_TAG, peer_id)).decode()
    return Peer(id=peer_id, url=url, token=token, commission_e4=commission_e4, carry_e4=carry_e4)


def names(connection: apsw.Connection) -> list[str]:
    """Every peer, in order."""
    return [str(name) for (name,) in connection.execute("SELECT id FROM peers ORDER BY id")]


class Peers:
    """Commands about peers."""

    def __init__(self, books: Books, courier: Courier) -> None:
        """Over the broker's books."""
        self._books = books
        self._courier = courier

    async def add(self, asked: AddPeer, key: str) -> bytes:
        """`{"id", "url", "thereMicro"}`, after the peer has shown itself and taken the token.

        `Misconfigured` for a URL that is not https, `Mismatch` for another broker or currency,
        `Unavailable`, `Denied`.
        """
        books = self._books
        memo = Asked(scope="operator/peers", key=key, digest=codec.digest(asked))
        found = books.stored(memo)
        if found is not None:
            return found
        if asked.id == books.identity.broker_id:
            raise OutOfRange("peer_is_this_broker", "a broker buys of others")
        met = await self._courier.meet(asked.url, asked.token)
        if met.broker_id != asked.id:
            raise Mismatch("peer_is_another", f"the broker there calls itself {met.broker_id}")
        if met.currency != books.identity.currency:
            raise Mismatch("peer_in_another_currency", f"{asked.id} keeps its books in another")
        sealed = books.vault.seal(asked.token.encode(), codec.enc(TOKEN_TAG, asked.id))

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            rate_e4, peer = asked.commission_e4, accounts.peer(asked.id)
            query = "SELECT commission FROM peers WHERE id = ?"
            if connection.execute(query, (asked.id,)).get != rate_e4:
                books.note_rate(connection, peer, rate_e4, (peer, key))
            connection.execute(
                "INSERT INTO peers VALUES (?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET "
                "url = excluded.url, token = excluded.token, commission = excluded.commission",
                (asked.id, met.url, sealed, asked.commission_e4),
            )
            answer = {"id": asked.id, "url": met.url, "thereMicro": met.balance_micro}
            return msgspec.json.encode(answer), 0

        return await books.answered(memo, work)

    async def pay(self, peer_id: str, asked: PeerPayment, key: str) -> bytes:
        """Book a transfer at the bank. `{"id", "amountMicro", "owedMicro"}`; `Unknown`.

        A reference is booked once: again is `Replayed`, under another key or not.
        """
        books = self._books

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            find(connection, books.vault, peer_id)
            with_peer, bank = accounts.peer(peer_id), accounts.bank(manual.NAME)
            to, source = (bank, with_peer) if asked.received else (with_peer, bank)
            postings = (Posting(to, asked.amount_micro), Posting(source, -asked.amount_micro))
            cause = ("peer", manual.NAME, peer_id, asked.reference)
            books.post(connection, cause, postings, kind="peer", ref=asked.reference)
            owed_micro = -journal.balance(connection, with_peer)
            answer = {"id": peer_id, "amountMicro": asked.amount_micro, "owedMicro": owed_micro}
            return msgspec.json.encode(answer), 0

        memo = Asked(
            scope="operator/peers/payments", key=key, digest=codec.digest([peer_id, asked])
        )
        return await books.answered(memo, work)

    async def listed(self) -> bytes:
        """`[{"id", "url", "commissionE4", "owedMicro", "thereMicro"}]`.

        `owedMicro` is what we owe by our books; `thereMicro` our balance as the peer says it now,
        null where it does not answer.
        """
        books = self._books

        def work(connection: apsw.Connection) -> list[tuple[Peer, int]]:
            found = [find(connection, books.vault, name) for name in names(connection)]
            return [(peer, -journal.balance(connection, accounts.peer(peer.id))) for peer in found]

        shown: list[dict[str, Json]] = []
        for peer, owed_micro in books.committer.read(work):
            try:
                there_micro = (await self._courier.meet(peer.url, peer.token)).balance_micro
            except Refusal:
                there_micro = None
            shown.append(
                {
                    "id": peer.id,
                    "url": peer.url,
                    "commissionE4": peer.commission_e4,
                    "owedMicro": owed_micro,
                    "thereMicro": there_micro,
                }
            )
        return msgspec.json.encode(shown)


def take_share(
    books: Books, connection: apsw.Connection, flows: Iterable[Flow], cause: tuple[str, ...]
) -> None:
    """Our commission on what was sold for peers; what went back counts down."""
    sold: dict[str, int] = {}
    for flow in flows:
        if flow.target.kind == "peer":
            sold[flow.target.id] = sold.get(flow.target.id, 0) + flow.amount_micro
        if flow.source.kind == "peer":
            sold[flow.source.id] = sold.get(flow.source.id, 0) - flow.amount_micro
    for peer_id, sold_micro in sold.items():
        peer = find(connection, books.vault, peer_id)
        share_micro, carry_e4 = clearing.commission(sold_micro, peer.commission_e4, peer.carry_e4)
        if carry_e4 == peer.carry_e4 and not share_micro:
            continue
        connection.execute("UPDATE peers SET carry = ? WHERE id = ?", (carry_e4, peer_id))
        basis = (sold_micro, peer.commission_e4, peer.carry_e4, carry_e4)
        account = accounts.peer(peer_id)
        books.post_share(connection, account, share_micro, basis, (*cause, "commission"))
