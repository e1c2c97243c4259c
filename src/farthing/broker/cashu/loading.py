"""Loading: a wallet asks for a quote, an account pays it, the wallet has coins signed.

| step | debit | credit |
|---|---|---|
| the account pays | `liability/payer/<id>` | `liability/outstanding/cashu/<unit>` |
| coins are signed | – | – |

A quote that is paid is worth money to whoever knows it, so it is outstanding from then on.
"""

import apsw
import msgspec

from farthing.broker import facts
from farthing.broker.answers import KEPT_S
from farthing.broker.cashu import quotes
from farthing.broker.cashu.counter import Counter
from farthing.broker.cashu.quotes import LOAD_S, QUOTE_BYTES, Load
from farthing.crypto import schnorr
from farthing.errors import Expired, Forged, Malformed, OutOfRange, Replayed, Unpaid, Unsupported
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.cashu import transactions
from farthing.schemes.coin.cashu.keysets import unit_micro
from farthing.schemes.coin.cashu.messages import MintAsked, MintQuoteAsked, read
from farthing.schemes.coin.cashu.transactions import FOR_EVER_S, SCHEME
from farthing.schemes.contract import Applied, End, Flow


class Loading:
    """The commands of one unit."""

    def __init__(self, counter: Counter) -> None:
        """At this counter."""
        self._counter = counter
        self.amount_max = PAYMENT_MICRO_MAX // unit_micro(counter.unit)

    async def quote(self, raw: bytes) -> bytes:
        """A new quote, unpaid; each call makes another, since it is a secret of its caller."""
        asked = read(raw, MintQuoteAsked)
        counter = self._counter
        if asked.unit != counter.unit:
            raise Unsupported("unit_unsupported", f"this mint's unit is {counter.unit}")
        if not 0 < asked.amount <= self.amount_max:
            raise OutOfRange("amount_outside_limits", f"1 to {self.amount_max} at a time")
        if asked.pubkey is not None:
            _x_of(asked.pubkey)
        now_s = counter.now_s()
        name = quotes.new_quote(now_s, counter.books.entropy(QUOTE_BYTES))
        load = Load(amount=asked.amount, expires_at_s=now_s + LOAD_S, pubkey=asked.pubkey or "")
        key = quotes.load_key(counter.unit, quotes.load_id(name))
        await counter.keep(quotes.put(key, load, load.expires_at_s))  # anybody may ask for many
        return self._shown(name, load)

    def state(self, quote: str) -> bytes:
        """The quote as it stands; `Unknown`. Writes nothing."""
        name, counter = quotes.load_id(quote), self._counter
        load = counter.books.committer.read(lambda db: quotes.find_load(db, counter.unit, name))
        return self._shown(quote, load)

    async def pay(self, party_id: str, name: str) -> bytes:
        """An account pays a quote, by its public name; once, whoever asks again.

        `Unfunded`, `Unknown`, `Expired`; `Replayed` where another account has paid it.
        """
        counter = self._counter

        def work(connection: apsw.Connection) -> Load:
            load = quotes.find_load(connection, counter.unit, name)
            if load.state != "UNPAID":
                if load.payer != party_id:
                    raise Replayed("quote_paid", "another account has paid this")
                return load
            if load.expires_at_s < counter.now_s():
                raise Expired("quote_expired", "ask for a new quote")
            paid = msgspec.structs.replace(load, state="PAID", payer=party_id)
            flow = Flow(
                source=End(kind="payer", id=party_id),
                target=End(kind="outstanding", id=counter.unit),
                amount_micro=load.amount * unit_micro(counter.unit),
            )
            key = quotes.load_key(counter.unit, name)
            records = (quotes.put(key, paid, FOR_EVER_S),)
            applied = Applied(flows=(flow,), records=records)
            counter.enact(connection, applied, ("cashu/load", name), kind="issue")
            return paid

        paid = await counter.books.committer.do(work, atomic=True)
        return msgspec.json.encode(
            {"amount": paid.amount, "unit": counter.unit, "state": paid.state}
        )

    async def mint(self, raw: bytes) -> bytes:
        """Sign outputs for a quote that is paid; any refusal."""
        counter = self._counter
        asked, message = counter.asked("mint", raw), read(raw, MintAsked)
        name, found = quotes.load_id(message.quote), counter.books.stored(asked)
        if found is not None:
            return found
        load = counter.books.committer.read(lambda db: quotes.find_load(db, counter.unit, name))
        _require_paid(load)
        _require_owner(load, message)
        transactions.require_balanced(load.amount, sum(one.amount for one in message.outputs))
        made = await counter.work(
            len(message.outputs),
            lambda: transactions.sign_outputs(counter.keysets, message.outputs),
        )

        def work(connection: apsw.Connection) -> object:
            now = quotes.find_load(connection, counter.unit, name)
            _require_paid(now)
            signed = counter.records(connection, (), made.outputs)
            until_s = counter.now_s() + KEPT_S
            issued = msgspec.structs.replace(now, state="ISSUED")
            key = quotes.load_key(counter.unit, name)
            records = (*signed, quotes.put(key, issued, until_s))
            facts.write(connection, SCHEME, Applied(records=records))
            return {"signatures": made.signatures}

        return await counter.once(asked, work)

    def _shown(self, quote: str, load: Load) -> bytes:
        counter = self._counter
        return msgspec.json.encode(
            {
                "quote": quote,
                "request": f"{counter.url}/loads/{quotes.load_id(quote)}",
                "amount": load.amount,
                "unit": counter.unit,
                "state": load.state,
                "expiry": load.expires_at_s,
                "pubkey": load.pubkey or None,
            }
        )


def _require_paid(load: Load) -> None:
    if load.state == "UNPAID":
        raise Unpaid("quote_unpaid", "pay the quote at its address first")
    if load.state == "ISSUED":
        raise Replayed("quote_issued", "coins were signed for this quote; restore finds them")


def _require_owner(load: Load, message: MintAsked) -> None:
    """`Forged` unless whoever asks has the key that the quote was made for (NUT-20)."""
    if not load.pubkey:
        return
    signed = message.quote + "".join(output.B_ for output in message.outputs)
    try:
        signature = bytes.fromhex(message.signature or "")
        schnorr.verify(_x_of(load.pubkey), signed.encode(), signature)
    except (Forged, ValueError):
        raise Forged("quote_signature_wrong", "this quote is for the holder of a key") from None


def _x_of(pubkey: str) -> bytes:
    try:
        return schnorr.x_of(bytes.fromhex(pubkey))
    except ValueError:
        raise Malformed("point_malformed", "a public key is 33 bytes in hex") from None
