"""Accounts, tokens and real money: who is here, what they may do, what comes in and goes out.

Tokens are 192 random bits, shown once (and to whoever repeats the very same request, out of the
sealed answer) and kept as SHA-256. A payer's token pays; a vendor has one that redeems, for its
gates, and another that pays and pays out, which no gate needs.
"""

import hashlib

import apsw
import msgspec

from farthing import codec, ids, props
from farthing.broker import clearing, journal, risk, store, topups
from farthing.broker.answers import Asked
from farthing.broker.books import Books
from farthing.broker.store import OPERATOR, Caller, Party, Payout, Role, Scope
from farthing.errors import Denied, OutOfRange, Unfit
from farthing.ledger import accounts
from farthing.ledger.transfers import Posting
from farthing.money import ACCOUNT_MICRO_MAX, require_micro
from farthing.rails import manual

SCOPES: dict[Role, tuple[tuple[Scope, ...], ...]] = {
    "payer": (("pay",),),
    "vendor": (("redeem",), ("pay",)),
    "broker": (("pay", "redeem"),),  # a peer is a vendor when it redeems, a payer when it buys
}
TOKEN_BYTES = 24  # 192 bits: a bearer secret nobody guesses
ACCOUNTS_MAX = 1_000  # one page of the list of accounts
STATEMENT_LINES_MAX = 1_000  # one page of a statement


class OpenAccount(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """Open an account. `OutOfRange` for a name, limit or share out of its range."""

    id: str
    role: Role = "payer"
    commission_e4: int = 0
    """Of a vendor: the broker's share, parts per 10,000."""
    payout_to: str = ""
    """Where the rail sends the money; empty for not yet."""
    credit_limit_micro: int = 0
    """Of a payer: how much it may owe."""
    props: str = ""
    """Of a payer: what the operator vouches for, `key=value;key=value`, keys rising."""

    def __post_init__(self) -> None:
        """The ranges."""
        ids.require_name(self.id)
        if self.id == OPERATOR:
            raise OutOfRange("name_reserved", "that name belongs to the operator")
        if not 0 <= self.commission_e4 <= clearing.COMMISSION_E4_MAX:
            raise OutOfRange("commission_out_of_range", "0 to 10000 parts per 10,000")
        require_micro(self.credit_limit_micro, largest_micro=risk.CREDIT_MICRO_MAX)
        if self.payout_to:
            manual.require_destination(self.payout_to)
        if self.props:
            _require_props(self.props)


class TopUp(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """Money came in at the bank for a payer. `OutOfRange`."""

    payer: str
    amount_micro: int
    reference: str
    """The bank's own reference of the credit, never used twice."""

    def __post_init__(self) -> None:
        """The ranges."""
        _require_some(self.amount_micro)
        manual.require_reference(self.reference)


class PayOut(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
):
    """Send a party's money to its bank. `OutOfRange`."""

    amount_micro: int
    """At most this much: whole cents leave, the rest stays."""
    role: Role = "vendor"
    """Which of a peer's two accounts; vendors and payers have one."""

    def __post_init__(self) -> None:
        """The ranges."""
        manual.payable_micro(self.amount_micro, largest_micro=ACCOUNT_MICRO_MAX)


def _require_props(text: str) -> None:
    try:
        found = props.read(text)
    except Unfit as wrong:
        raise OutOfRange(wrong.code, wrong.detail) from None
    if found.keys() & {props.SUB, props.UNTIL}:
        raise OutOfRange("props_reserved", "sub and until are of subscriptions, which vendors sell")


def _require_some(amount_micro: int) -> None:
    if not require_micro(amount_micro, largest_micro=ACCOUNT_MICRO_MAX):
        raise OutOfRange("amount_out_of_range", "an amount of 0 moves nothing")


def new_token(entropy: bytes) -> str:
    """The bearer token of these random bytes."""
    return "ft_" + codec.b64u(entropy)


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


class People:
    """Commands about accounts and real money."""

    def __init__(self, books: Books) -> None:
        """Over the broker's books."""
        self._books = books

    def caller(self, token: str) -> Caller:
        """Whose token this is; `Denied`."""
        return self._books.committer.read(lambda db: store.find_caller(db, hash_of(token)))

    async def open(self, asked: OpenAccount, key: str) -> bytes:
        """`{"id", "role", "tokens": {scope: token}}`; `Reused` if the name is taken."""
        books = self._books
        if asked.id == books.identity.broker_id:
            raise OutOfRange("name_reserved", "that name is the broker's own")

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            party = Party(
                id=asked.id,
                role=asked.role,
                commission_e4=asked.commission_e4,
                carry_e4=0,
                payout_to=asked.payout_to,
                props=asked.props,
            )
            store.add_party(connection, party)
            if asked.role != "vendor":
                journal.open_account(connection, accounts.payer(asked.id))
                self._limit(connection, asked, ("limit",))
            if asked.role != "payer":
                vendor = accounts.vendor(asked.id)
                journal.open_account(connection, vendor)
                books.note_rate(connection, vendor, asked.commission_e4, (vendor,))
            tokens: dict[str, str] = {}
            for scopes in SCOPES[asked.role]:
                token = new_token(books.entropy(TOKEN_BYTES))
                store.add_token(connection, hash_of(token), asked.id, scopes)
                tokens.update(dict.fromkeys(scopes, token))
            return _json({"id": asked.id, "role": asked.role, "tokens": tokens}), 0

        return await books.answered(_asked("accounts", asked, key), work)

    def _limit(
        self, connection: apsw.Connection, asked: OpenAccount, cause: tuple[str, ...]
    ) -> None:
        """Set a credit limit, and note it in the journal unless it is what it was."""
        credit, limit_micro = accounts.credit(asked.id), asked.credit_limit_micro
        before_micro = journal.credit_limit(connection, credit)
        journal.open_account(connection, credit, limit_micro)
        if limit_micro != before_micro:
            note = f"limit {credit} {limit_micro}"
            cause = (*cause, asked.id)
            self._books.post(connection, cause, (), kind="limit", ref=asked.id, notes=(note,))

    async def change(self, asked: OpenAccount, key: str) -> bytes:
        """Move commission, payout destination and credit limit; the account as it is now."""
        books = self._books

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            before = store.find_party(connection, asked.id)
            if before.role != asked.role:
                raise OutOfRange("role_fixed", "an account keeps its role")
            after = msgspec.structs.replace(
                before,
                commission_e4=asked.commission_e4,
                payout_to=asked.payout_to,
                props=asked.props,
            )
            store.set_contract(connection, after)
            if asked.role != "payer" and asked.commission_e4 != before.commission_e4:
                vendor = accounts.vendor(asked.id)
                books.note_rate(connection, vendor, asked.commission_e4, (vendor, key))
            if asked.role != "vendor":
                self._limit(connection, asked, ("limit", key))
            return _json(msgspec.to_builtins(asked)), 0

        return await books.answered(_asked("accounts/change", asked, key), work)

    async def top_up(self, asked: TopUp, key: str) -> bytes:
        """Book a credit of the bank; a debt is paid first. `{"payer", "amountMicro", …}`.

        A reference is booked once: again is `Replayed`, under another key or not, and `Reused`
        with another amount or payer.
        """
        books = self._books

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            repaid_micro = topups.book(
                books, connection, asked.payer, asked.amount_micro, asked.reference
            )
            answer = {
                "payer": asked.payer,
                "amountMicro": asked.amount_micro,
                "repaidMicro": repaid_micro,
            }
            return _json(answer), 0

        return await books.answered(_asked("topup", asked, key), work)

    async def pay_out(self, party_id: str, asked: PayOut, key: str) -> bytes:
        """Plan a payout in whole cents. `{"payout", "amountMicro", "state"}`; `Unfunded`."""
        books = self._books
        amount_micro = manual.payable_micro(asked.amount_micro, largest_micro=ACCOUNT_MICRO_MAX)
        payout_id = ids.new_id("po", books.entropy(12))

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            store.require_payouts_open(connection)
            party = store.find_party(connection, party_id)
            if not party.payout_to:
                raise Denied("payout_destination_missing", "tell the operator where it should go")
            role = party.role if party.role != "broker" else asked.role
            name = accounts.payer(party_id) if role == "payer" else accounts.vendor(party_id)
            debt_micro = journal.balance(connection, accounts.credit(party_id))
            has_micro, currency = -journal.balance(connection, name), books.identity.currency
            risk.require_payable(amount_micro, has_micro, debt_micro, currency)
            postings = (
                Posting(name, amount_micro),
                Posting(accounts.clearing(manual.NAME), -amount_micro),
            )
            books.post(connection, ("payout", payout_id), postings, kind="payout", ref=payout_id)
            payout = Payout(
                id=payout_id,
                party=party_id,
                account=name,
                rail=manual.NAME,
                destination=party.payout_to,
                amount_micro=amount_micro,
                state="planned",
                at_s=books.now_s(),
            )
            store.add_payout(connection, payout)
            return _json({"payout": payout_id, "amountMicro": amount_micro, "state": "planned"}), 0

        return await books.answered(_asked(f"{party_id}/payout", asked, key), work)

    async def step_payout(self, payout_id: str, state: manual.PayoutState, key: str) -> bytes:
        """Move a payout on; the same step again is no change. `Conflict`, `Unknown`."""
        books = self._books

        def work(connection: apsw.Connection) -> tuple[bytes, int]:
            payout = store.find_payout(connection, payout_id)
            answer = {
                "payout": payout_id, "amountMicro": payout.amount_micro, "state": state.value
            }  # fmt: skip  # - one object
            if payout.state == state.value:
                return _json(answer), 0
            manual.require_step(manual.PayoutState(payout.state), state)
            transit, bank = accounts.clearing(payout.rail), accounts.bank(payout.rail)
            paid = payout.state == "confirmed"
            sides: tuple[str, str] | None = None
            if state is manual.PayoutState.CONFIRMED:
                sides = (transit, bank)
            elif state is manual.PayoutState.RETURNED:
                sides = (bank if paid else transit, payout.account)
            if sides is not None:
                to, source = sides
                postings = (
                    Posting(to, payout.amount_micro), Posting(source, -payout.amount_micro)
                )  # fmt: skip  # - one pair
                cause = ("payout", payout_id, state.value)
                books.post(connection, cause, postings, kind="payout", ref=payout_id)
            store.set_payout_state(connection, payout_id, state.value)
            return _json(answer), 0

        asked = Asked(
            scope="operator/payouts", key=key, digest=codec.digest([payout_id, state.value])
        )
        return await books.answered(asked, work)

    def export_payouts(self) -> list[manual.Line]:
        """Every planned or exported payout as the operator types it; again gives the same.

        `Unavailable` after a restore, until `open_payouts`.
        """

        def work(connection: apsw.Connection) -> list[Payout]:
            store.require_payouts_open(connection)
            planned = store.payouts_in(connection, "planned")
            return sorted(planned + store.payouts_in(connection, "exported"), key=lambda p: p.id)

        payouts = self._books.committer.read(work)
        return [manual.line_of(p.id, p.destination, p.amount_micro, p.state) for p in payouts]

    def balance(self, party_id: str) -> bytes:
        """`{"id", "role", "currency", "payerMicro"?, "vendorMicro"?, "owedMicro"?, …}`."""
        books = self._books

        def work(connection: apsw.Connection) -> bytes:
            party = store.find_party(connection, party_id)
            shown: dict[str, int | str] = {
                "id": party_id, "role": party.role, "currency": books.identity.currency
            }  # fmt: skip  # - one object
            if party.role != "vendor":
                credit = accounts.credit(party_id)
                shown["payerMicro"] = -journal.balance(connection, accounts.payer(party_id))
                shown["owedMicro"] = journal.balance(connection, credit)
                shown["creditLimitMicro"] = journal.credit_limit(connection, credit)
            if party.role != "payer":
                shown["vendorMicro"] = -journal.balance(connection, accounts.vendor(party_id))
                shown["commissionE4"] = party.commission_e4
            return _json(shown)

        return books.committer.read(work)

    def accounts(self, role: Role, after: str = "") -> bytes:
        """`{"accounts": [{"id", "hasMicro", "owesMicro"}], "next"}` of one role, by name.

        `next` is the name to ask after for more, empty at the end.
        """

        def work(connection: apsw.Connection) -> bytes:
            names = store.party_names(connection, role, after, ACCOUNTS_MAX)
            own = accounts.vendor if role == "vendor" else accounts.payer
            shown = [
                {
                    "id": name,
                    "hasMicro": -journal.balance(connection, own(name)),
                    "owesMicro": journal.balance(connection, accounts.credit(name)),
                }
                for name in names
            ]
            return _json(
                {"accounts": shown, "next": names[-1] if len(names) == ACCOUNTS_MAX else ""}
            )

        return self._books.committer.read(work)

    async def statement(self, party_id: str, after: int = 0) -> bytes:
        """`{"lines": [{"number", "atS", "kind", "ref", "changeMicro"}], "next"}`, oldest first.

        Changes count up what the party has. `next` is the number to ask after for more, 0 at the
        end.
        """
        books = self._books
        while await books.committer.do(journal.index_lines, atomic=True):
            pass

        def work(connection: apsw.Connection) -> bytes:
            party = store.find_party(connection, party_id)
            name = accounts.vendor if party.role == "vendor" else accounts.payer
            found = journal.lines(
                connection, name(party_id), after_seq=after, count=STATEMENT_LINES_MAX
            )
            shown = [
                {
                    "number": seq,
                    "atS": entry.at_s,
                    "kind": entry.kind,
                    "ref": entry.ref,
                    "changeMicro": -change_micro,
                }
                for seq, change_micro, entry in found
            ]
            more = len(found) == STATEMENT_LINES_MAX
            return _json({"lines": shown, "next": found[-1][0] if more else 0})

        return books.committer.read(work)


def _asked(scope: str, parameters: msgspec.Struct, key: str) -> Asked:
    return Asked(scope=scope, key=key, digest=codec.digest(parameters))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
