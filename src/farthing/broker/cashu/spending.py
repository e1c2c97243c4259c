"""Spending: coins for coins, coins for an account, and what became of them.

| step | debit | credit |
|---|---|---|
| swap | – | – |
| melt, to a payer | `liability/outstanding/cashu/<unit>` | `liability/payer/<id>` |
| melt, to a vendor | `liability/outstanding/cashu/<unit>` | `liability/vendor/<id>` |

A vendor pays its commission on it, as on every redemption. A payout code names an account of this
broker, so a melt is one transaction and never pending; from the account the money goes to a bank as
all money does.
"""

import contextlib
import hashlib
import hmac
from collections.abc import Sequence

import apsw
import msgspec

from farthing import codec
from farthing.broker import facts, store
from farthing.broker.answers import KEPT_S
from farthing.broker.cashu import quotes, terms
from farthing.broker.cashu.counter import Counter
from farthing.broker.cashu.quotes import CODE_S, LOAD_S, Code, Melt
from farthing.errors import Expired, OutOfRange, Replayed, Reused, TooLarge, Unknown, Unsupported
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.blind.checking import key_of
from farthing.schemes.coin.cashu import payout_code, transactions
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, unit_micro
from farthing.schemes.coin.cashu.messages import (
    INPUTS_MAX,
    MeltAsked,
    MeltQuoteAsked,
    RestoreAsked,
    Spend,
    StatesAsked,
    read,
)
from farthing.schemes.coin.cashu.transactions import SCHEME, Made, Spent
from farthing.schemes.contract import Applied, End, Flow

PAYOUT_KEY = "farthing/cashu/payout/1"
_SIGN_TAG = b"farthing/cashu/payout-signature/1"
_PREIMAGE_TAG = "farthing/cashu/payout-preimage/1"
_STATES = {"free": "UNSPENT", "held": "PENDING", "used": "SPENT"}


class Spending:
    """The commands of one unit."""

    def __init__(self, counter: Counter) -> None:
        """At this counter."""
        self._counter = counter

    async def swap(self, raw: bytes) -> bytes:
        """New coins for old ones of the same sum; any refusal."""
        counter = self._counter
        asked, message = counter.asked("swap", raw), read(raw, Spend)
        # First of all: what was answered is, whatever has become of keysets and locks since.
        found = counter.books.stored(asked)
        if found is not None:
            return found

        def check() -> tuple[Spent, Made]:
            keysets = counter.keysets
            spent = transactions.verify_inputs(
                keysets, message.inputs, message.outputs, counter.now_s()
            )
            transactions.require_balanced(spent.amount, sum(one.amount for one in message.outputs))
            return spent, transactions.sign_outputs(keysets, message.outputs)

        spent, made = await counter.work(len(message.inputs) + len(message.outputs), check)

        def work(connection: apsw.Connection) -> object:
            applied = Applied(records=counter.records(connection, spent.coins, made.outputs))
            counter.enact(connection, applied, (asked.scope, asked.key), kind="swap")
            return {"signatures": made.signatures}

        return await counter.once(asked, work)

    async def code(self, party_id: str, amount: int, key: str) -> bytes:
        """A payout code for an account; the same to the same key. `Reused`, `OutOfRange`."""
        counter, books = self._counter, self._counter.books
        largest = PAYMENT_MICRO_MAX // unit_micro(counter.unit)
        if not 0 < amount <= largest:
            raise OutOfRange("amount_outside_limits", f"1 to {largest} at a time")
        now_s = counter.now_s()
        secret = counter.books.ring.current(PAYOUT_KEY).secret
        said = codec.enc(_PREIMAGE_TAG, counter.unit, party_id, key)
        preimage = hmac.digest(secret, said, "sha256")
        payment_hash = hashlib.sha256(preimage).digest()

        def work(connection: apsw.Connection) -> Code:
            known = self._known(connection, said)
            if known is not None:
                if known.amount != amount:
                    raise Reused("idempotency_conflict", "this key was used for another amount")
                return known
            role = store.find_party(connection, party_id).role
            if role == "broker":
                raise Unsupported("payout_unsupported", "a peer broker is paid by a transfer")
            made = Code(
                amount=amount,
                party=party_id,
                role=role,
                preimage=preimage,
                request=payout_code.write(
                    hmac.digest(secret, _SIGN_TAG, "sha256"),
                    payment_hash=payment_hash,
                    amount=amount,
                    at_s=now_s,
                    expires_s=now_s + CODE_S,
                ),
                expires_at_s=now_s + CODE_S,
            )
            place = quotes.code_key(counter.unit, payment_hash)
            record = quotes.put(place, made, now_s + CODE_S + KEPT_S)
            facts.write(connection, SCHEME, Applied(records=(record,)))
            return made

        made = await books.committer.do(work, atomic=True)
        return msgspec.json.encode(
            {
                "request": made.request,
                "amount": made.amount,
                "unit": counter.unit,
                "expiresAtS": made.expires_at_s,
            }
        )

    def _known(self, connection: apsw.Connection, said: bytes) -> Code | None:
        """The code that was made of this, with the present key or with one before."""
        for key in self._counter.books.ring.known(PAYOUT_KEY):
            preimage = hmac.digest(key.secret, said, "sha256")
            with contextlib.suppress(Unknown):
                payment_hash = hashlib.sha256(preimage).digest()
                return quotes.find_code(connection, self._counter.unit, payment_hash)
        return None

    async def melt_quote(self, raw: bytes) -> bytes:
        """A quote for a payout code; `Unknown` for anything else.

        Each call makes another, since it shows its caller that it has paid. Writes nothing.
        """
        counter, asked = self._counter, read(raw, MeltQuoteAsked)
        if asked.unit != counter.unit:
            raise Unsupported("unit_unsupported", f"this mint's unit is {counter.unit}")
        now_s = counter.now_s()
        payment_hash = payout_code.hash_in(asked.request)
        code = counter.books.committer.read(
            lambda db: quotes.find_code(db, counter.unit, payment_hash)
        )
        if code.request != asked.request:
            raise Unknown("payout_unknown", "this mint pays out to its own payout codes only")
        _require_open(code, now_s)
        quote = terms.PayoutQuote(
            nonce=counter.books.entropy(terms.NONCE_BYTES),
            payment_hash=payment_hash,
            expires_at_s=now_s + LOAD_S,
        ).made(counter.books.ring.current(KEYSET_KEY).secret, counter.unit)
        melt = Melt(payment_hash=payment_hash, expires_at_s=quote.expires_at_s)
        return msgspec.json.encode(self._shown(quote.text, melt, code))

    def _find(self, connection: apsw.Connection, quote: str) -> tuple[Melt, Code]:
        """A quote of this mint as it stands, and its code; `Unknown`."""
        unit = self._counter.unit
        melt = quotes.find_melt(connection, unit, quote)
        if melt is None:
            said = terms.read_payout_quote(quote)
            said.require(self._counter.secrets, unit)
            melt = Melt(payment_hash=said.payment_hash, expires_at_s=said.expires_at_s)
        return melt, quotes.find_code(connection, unit, melt.payment_hash)

    def melt_state(self, quote: str) -> bytes:
        """The quote as it stands; `Unknown`. Writes nothing."""
        melt, code = self._counter.books.committer.read(lambda db: self._find(db, quote))
        return msgspec.json.encode(self._shown(quote, melt, code))

    async def melt(self, raw: bytes) -> bytes:
        """Pay coins out to the account of a code, with change on blank outputs; any refusal."""
        counter, message = self._counter, read(raw, MeltAsked)
        asked, blanks, unit = counter.asked("melt", raw), message.outputs or (), counter.unit
        found = counter.books.stored(asked)
        if found is not None:
            return found

        def look(connection: apsw.Connection) -> tuple[Melt, Code]:
            melt, code = self._find(connection, message.quote)
            if melt.expires_at_s < counter.now_s():
                raise Expired("quote_expired", "ask for a new quote")
            _require_open(code, counter.now_s())
            return melt, code

        _, wanted = counter.books.committer.read(look)

        def check() -> tuple[Spent, Made]:
            keysets = counter.keysets
            spent = transactions.verify_inputs(
                keysets, message.inputs, blanks, counter.now_s(), message.quote
            )
            if spent.amount < wanted.amount:
                transactions.require_balanced(spent.amount, wanted.amount)
            return spent, transactions.sign_change(keysets, blanks, spent.amount - wanted.amount)

        spent, made = await counter.work(len(message.inputs) + len(blanks), check)

        def work(connection: apsw.Connection) -> object:
            melt, code = look(connection)
            changed = counter.records(connection, spent.coins, made.outputs)
            melt = msgspec.structs.replace(melt, state="PAID")
            code = msgspec.structs.replace(code, is_paid=True)
            # As long as its code: the quote would say of itself that nobody has paid it.
            until_s = code.expires_at_s + KEPT_S
            flow = Flow(
                source=End(kind="outstanding", id=unit),
                target=End(kind=code.role, id=code.party),
                amount_micro=code.amount * unit_micro(unit),
            )
            records = (
                *changed,
                quotes.put(quotes.melt_key(unit, message.quote), melt, until_s),
                quotes.put(quotes.code_key(unit, melt.payment_hash), code, until_s),
            )
            applied = Applied(flows=(flow,), records=records)
            kind = "redeem" if code.role == "vendor" else "take_back"
            counter.enact(connection, applied, (asked.scope, asked.key), kind=kind)
            return self._shown(message.quote, melt, code) | {"change": made.signatures}

        return await counter.once(asked, work)

    async def states(self, raw: bytes) -> bytes:
        """Whether coins are spent, by their Y. Writes nothing."""
        asked = read(raw, StatesAsked)
        _require_few(asked.Ys)

        def work(connection: apsw.Connection) -> list[object]:
            return [
                {"Y": y, "state": _STATES[facts.state_of(connection, key)], "witness": None}
                for y in asked.Ys
                for key in (key_of(SCHEME, "spent", bytes.fromhex(y)),)
            ]

        return msgspec.json.encode({"states": self._counter.books.committer.read(work)})

    async def restore(self, raw: bytes) -> bytes:
        """Those of the outputs that were signed, with their signatures. Writes nothing."""
        asked = read(raw, RestoreAsked)
        _require_few(asked.outputs)
        keys = transactions.signed_keys(asked.outputs)
        memory = self._counter.books.committer.read(lambda db: facts.read(db, keys))
        pairs = [
            (msgspec.structs.replace(output, amount=signature.amount, id=signature.id), signature)
            for output in asked.outputs
            for signature in (transactions.found(output, memory),)
            if signature is not None
        ]
        return msgspec.json.encode(
            {"outputs": [one for one, _ in pairs], "signatures": [one for _, one in pairs]}
        )

    def _shown(self, quote: str, melt: Melt, code: Code) -> dict[str, object]:
        is_paid = melt.state == "PAID"
        return {
            "quote": quote,
            "request": code.request,
            "amount": code.amount,
            "unit": self._counter.unit,
            "fee_reserve": 0,
            "state": melt.state,
            "paid": is_paid,
            "expiry": melt.expires_at_s,
            "payment_preimage": code.preimage.hex() if is_paid else None,
            "change": [],
        }


def _require_open(code: Code, now_s: int) -> None:
    if code.is_paid:
        raise Replayed("quote_paid", "this payout code was paid before")
    if code.expires_at_s < now_s:
        raise Expired("quote_expired", "ask the payee for a new payout code")


def _require_few(items: Sequence[object]) -> None:
    if len(items) > INPUTS_MAX:
        raise TooLarge("inputs_too_many", f"at most {INPUTS_MAX} at a time")
