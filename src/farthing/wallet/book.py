"""What the owner reads and sets: accounts at brokers, budgets, what is held and what was paid."""

from typing import Any

import msgspec

from farthing.errors import Conflict, Misconfigured, Unknown
from farthing.schemes.contract import Instrument
from farthing.wallet.commands import Broker, InstrumentState, Purchase, PurchaseState
from farthing.wallet.file import File
from farthing.wallet.policy import Limits
from farthing.wallet.rows import Rows


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What the wallet holds of one scheme at one vendor, in one state."""

    broker_id: str
    scheme: str
    vendor_id: str
    currency: str
    state: InstrumentState
    count: int
    worth_micro: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument and where it is spent."""

    broker_id: str
    site: str
    instrument: Instrument


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the history."""

    id: str
    created_at_s: int
    state: PurchaseState
    method: str
    url: str
    """Of the page, and of the stream's where it tops that up."""
    scheme: str
    broker_id: str
    vendor_id: str
    price_micro: int
    currency: str
    reference: str
    """The vendor's name of the payment, from its receipt; empty without one."""
    refunded: bool
    """Whether the vendor has given the price back."""


class Book:
    """Over an open wallet file."""

    def __init__(self, file: File) -> None:
        """Over an open file."""
        self._file = file
        self._rows = Rows(file)

    def put_broker(self, broker: Broker) -> None:
        """Add an account, or change the one at this broker: its token, or where the broker is.

        `Misconfigured` for another account where something of the first one is still here: its
        orders would be asked for, and its certificates given back, in another's name.
        """
        known = self.brokers().get(broker.id)
        is_another = known is not None and known.account not in {"", broker.account}
        if known is not None and is_another and self._has_of(broker.id):
            raise Misconfigured(
                "account_of_this_wallet_differs",
                f"this wallet has the account {known.account} at {broker.id}, and a wallet has one"
                f" at each broker: make another for {broker.account}, or give back what it holds",
            )
        token = self._file.vault.seal(broker.token.encode(), "brokers", broker.id)
        with self._file.write() as db:
            db.execute(
                "INSERT INTO brokers VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET"
                " url=excluded.url, account=excluded.account, currency=excluded.currency,"
                " token=excluded.token",
                (broker.id, broker.url, broker.account, broker.currency, token),
            )

    def meet_broker(self, broker: Broker) -> Broker:
        """The broker that a stranger's token names, as this wallet knows it; `Conflict`.

        A token says where its broker is, and may lie: where we have an account we know that, and
        else what is worth something goes to the address that came with it, or to none. One of
        which nothing is here is remembered anew.
        """
        known = self.brokers().get(broker.id)
        is_same = known is not None and known.url.rstrip("/") == broker.url.rstrip("/")
        if known is not None and (known.account or is_same):
            return known
        if known is not None and self._has_of(broker.id):
            raise Conflict(
                "broker_at_another_address",
                f"this wallet knows {broker.id} at {known.url}, the token names {broker.url}: ask"
                " whoever gave it to you",
            )
        self.put_broker(broker)
        return broker

    def _has_of(self, broker_id: str) -> bool:
        """Whether there is value of this broker here, or on its way."""
        with self._file.write():
            return bool(
                self._file.rows(
                    "SELECT 1 FROM instruments WHERE broker=?1 AND state<>'spent' UNION ALL"
                    " SELECT 1 FROM asks WHERE broker=?1 AND state='open' LIMIT 1",
                    (broker_id,),
                )
            )

    def brokers(self) -> dict[str, Broker]:
        """Every account by broker id."""
        with self._file.write():
            rows = self._file.rows("SELECT id, url, account, currency, token FROM brokers")
        return {
            broker_id: Broker(
                id=broker_id,
                url=url,
                account=account,
                currency=currency,
                token=self._file.vault.open(token, "brokers", broker_id).decode(),
            )
            for broker_id, url, account, currency, token in rows
        }

    def peers(self) -> dict[str, str]:
        """Brokers without an account of ours: through which of ours they are reached, by id."""
        with self._file.write():
            return self._rows.peers()

    def broker(self, broker_id: str = "") -> Broker:
        """The account at this broker, or the only one; `Unknown` with what to do."""
        brokers = {name: one for name, one in self.brokers().items() if one.account}
        if not broker_id and len(brokers) == 1:
            return next(iter(brokers.values()))
        if broker_id not in brokers:
            if not brokers:
                raise Unknown(
                    "broker_without_account",
                    "this wallet has no account at a broker: make one that has with farthing"
                    " wallet init --data NEW --broker URL",
                )
            known = ", ".join(brokers)
            raise Unknown("broker_unknown", f"name one of this wallet's brokers ({known})")
        return brokers[broker_id]

    def set_floats(self, floats: dict[str, int]) -> None:
        """How much broker scrip is bought at once, by broker id; those left out: none."""
        self._set("floats", floats)

    def floats(self) -> dict[str, int]:
        """As they were set."""
        with self._file.write():
            rows = self._file.rows("SELECT value FROM meta WHERE name='floats'")
        return msgspec.json.decode(rows[0][0], type=dict[str, int]) if rows else {}

    def end_floats(self, broker_id: str) -> None:
        """No more scrip of this broker is bought ahead, or ("") of any."""
        floats = self.floats()
        kept = {name: floats[name] for name in floats if broker_id not in {"", name}}
        if kept != floats:
            self.set_floats(kept)

    def set_limits(self, limits: Limits) -> None:
        """Store the budgets."""
        self._set("limits", limits)

    def _set(self, name: str, value: object) -> None:
        with self._file.write() as db:
            db.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value=excluded.value",
                (name, msgspec.json.encode(value)),
            )

    def limits(self) -> Limits:
        """The stored budgets, or the usual ones."""
        with self._file.write():
            rows = self._file.rows("SELECT value FROM meta WHERE name='limits'")
        return msgspec.json.decode(rows[0][0], type=Limits) if rows else Limits()

    def holdings(self) -> tuple[Holding, ...]:
        """What is not spent and worth something, summed by broker, scheme, vendor and state."""
        with self._file.write():
            rows = self._file.rows(
                "SELECT broker, scheme, vendor, currency, state, COUNT(*), SUM(worth_micro)"
                " FROM instruments WHERE state<>'spent' AND (state<>'ready' OR worth_micro>0)"
                " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 5"
            )
        names = Holding.__struct_fields__
        return tuple(msgspec.convert(dict(zip(names, row, strict=True)), Holding) for row in rows)

    def held(self, scheme: str = "", vendor_id: str = "") -> tuple[Held, ...]:
        """Every instrument that may be given back, of one scheme or vendor where named."""
        with self._file.write():
            rows = self._file.rows(
                "SELECT site, broker, scheme, id, vendor, currency, worth_micro, expires_at_s, body"
                " FROM instruments WHERE state IN ('ready', 'aside') AND worth_micro > 0"
                " AND ? IN ('', scheme) AND ? IN ('', vendor) ORDER BY broker, scheme, vendor, id",
                (scheme, vendor_id),
            )
            return tuple(
                Held(
                    broker_id=row[1], site=row[0], instrument=self._rows.unseal_instrument(row[1:])
                )
                for row in rows
            )

    def in_use(self, broker_id: str, scheme: str) -> frozenset[str]:
        """Ids of instruments that a payment or an ask has."""
        with self._file.write():
            rows = self._file.rows(
                "SELECT id FROM instruments WHERE state='offered' AND broker=? AND scheme=?",
                (broker_id, scheme),
            )
        return frozenset(row[0] for row in rows)

    def history(self, count: int = 100) -> tuple[Entry, ...]:
        """The last `count` purchases, newest first."""
        with self._file.write():
            rows = self._file.rows(
                "SELECT id, sealed, state, receipt FROM purchases"
                " ORDER BY created_at_s DESC, rowid DESC LIMIT ?",
                (count,),
            )
            return tuple(self._entry(*row) for row in rows)

    def purchase(self, name: str) -> Purchase:
        """A purchase by its id or its receipt's reference; `Unknown`."""
        where = "SELECT sealed FROM purchases WHERE id=?"
        with self._file.write():
            found = self._file.rows(where, (name,))
            if name and not found:
                name = self._id_of(name)
                found = self._file.rows(where, (name,))
        if not found:
            raise Unknown("purchase_unknown", "see: farthing wallet history --json")
        return self._rows.unseal(Purchase, "purchases", name, found[0][0])

    def _id_of(self, reference: str) -> str:
        """Of the newest purchase whose receipt has this reference; empty for none."""
        rows = self._file.connection.execute(
            "SELECT id, receipt FROM purchases WHERE receipt IS NOT NULL ORDER BY rowid DESC"
        )
        ids = (row_id for row_id, kept in rows if self._reference_in(row_id, kept) == reference)
        return next(ids, "")

    def _reference_in(self, row_id: str, receipt: bytes) -> str:
        """Empty where the payment counted, and no receipt ever came."""
        plain = self._file.vault.open(receipt, "receipts", row_id)
        reference: str = msgspec.json.decode(plain)["reference"] if plain else ""
        return reference

    def _entry(self, row_id: str, sealed: bytes, state: PurchaseState, receipt: Any) -> Entry:
        made = self._rows.unseal(Purchase, "purchases", row_id, sealed)
        return Entry(
            id=row_id,
            created_at_s=made.created_at_s,
            state=state,
            method=made.method,
            url=made.page or made.url,
            scheme=made.scheme,
            broker_id=made.broker_id,
            vendor_id=made.vendor_id,
            price_micro=made.price_micro,
            currency=made.currency,
            reference=self._reference_in(row_id, receipt) if receipt else "",
            refunded=bool(made.refund),
        )
