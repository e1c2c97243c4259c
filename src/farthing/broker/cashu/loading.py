"""Loading: a wallet asks for a quote, an account pays it, the wallet has coins signed.

| step | debit | credit |
|---|---|---|
| the account pays | `liability/payer/<id>` | `liability/outstanding/cashu/<unit>` |
| coins are signed | – | – |

A quote that is paid is worth money to whoever knows it, so it is outstanding from then on.
"""

import apsw
import msgspec

from farthing import codec
from farthing.broker import facts
from farthing.broker.answers import KEPT_S
from farthing.broker.cashu import quotes, terms
from farthing.broker.cashu.counter import Counter
from farthing.broker.cashu.quotes import LOAD_S, Load
from farthing.broker.cashu.terms import Quote
from farthing.crypto import schnorr
from farthing.errors import Expired, Forged, Malformed, OutOfRange, Replayed, Unpaid, Unsupported
from farthing.marks import Delete
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.cashu import transactions
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, unit_micro
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
        """A new quote, unpaid; each call makes another, since it is a secret of its caller.

        Writes nothing: anybody may ask for many.
        """
        asked = read(raw, MintQuoteAsked)
        counter = self._counter
        if asked.unit != counter.unit:
            raise Unsupported("unit_unsupported", f"this mint's unit is {counter.unit}")
        if not 0 < asked.amount <= self.amount_max:
            raise OutOfRange("amount_outside_limits", f"1 to {self.amount_max} at a time")
        quote = terms.make(
            counter.books.ring.current(KEYSET_KEY).secret,
            counter.unit,
            nonce=counter.books.entropy(terms.NONCE_BYTES),
            amount=asked.amount,
            expires_at_s=counter.now_s() + LOAD_S,
            pubkey=_pubkey(asked.pubkey) if asked.pubkey is not None else b"",
        )
        return self._shown(quote, "UNPAID")

    def state(self, text: str) -> bytes:
        """The quote as it stands; `Unknown`. Writes nothing."""
        quote, load = self._find(text)
        return self._shown(quote, "UNPAID" if load is None else load.state)

    def _find(self, text: str) -> tuple[Quote, Load | None]:
        """A quote of this mint, and what is known of it once it is paid; `Unknown`."""
        quote, counter = terms.read_quote(text), self._counter
        named = quote.named
        load = counter.books.committer.read(lambda db: quotes.find_load(db, counter.unit, named.id))
        if load is None:  # what was paid is good whatever has become of the keys since
            named.require(counter.secrets, counter.unit)
        return quote, load

    async def pay(self, party_id: str, name: str) -> bytes:
        """An account pays a quote, by its public name; once, whoever asks again.

        `Unfunded`, `Unknown`, `Expired`; `Replayed` where another account has paid it.
        """
        counter, named = self._counter, terms.read_name(name)

        def work(connection: apsw.Connection) -> Load:
            load = quotes.find_load(connection, counter.unit, named.id)
            if load is not None and load.amount == named.amount:
                if load.payer != party_id:
                    raise Replayed("quote_paid", "another account has paid this")
                return load
            named.require(counter.secrets, counter.unit)
            if named.expires_at_s < counter.now_s():
                raise Expired("quote_expired", "ask for a new quote")
            paid = Load(amount=named.amount, payer=party_id)
            flow = Flow(
                source=End(kind="payer", id=party_id),
                target=End(kind="outstanding", id=counter.unit),
                amount_micro=paid.amount * unit_micro(counter.unit),
            )
            key = quotes.load_key(counter.unit, named.id)
            records = (quotes.put(key, paid, FOR_EVER_S),)
            applied = Applied(flows=(flow,), records=records)
            cause = ("cashu/load", codec.b64u(named.id))
            counter.enact(connection, applied, cause, kind="issue")
            return paid

        paid = await counter.books.committer.do(work, atomic=True)
        return msgspec.json.encode(
            # What this call has done; the coins may have been signed since.
            {"amount": paid.amount, "unit": counter.unit, "state": "PAID"}
        )

    async def mint(self, raw: bytes) -> bytes:
        """Sign outputs for a quote that is paid; any refusal."""
        counter = self._counter
        asked, message = counter.asked("mint", raw), read(raw, MintAsked)
        found = counter.books.stored(asked)
        if found is not None:
            return found
        quote, load = self._find(message.quote)
        named = quote.named
        _require_paid(load)
        _require_owner(quote, message)
        transactions.require_balanced(named.amount, sum(one.amount for one in message.outputs))
        made = await counter.work(
            len(message.outputs),
            lambda: transactions.sign_outputs(counter.keysets, message.outputs),
        )

        def work(connection: apsw.Connection) -> object:
            now = _require_paid(quotes.find_load(connection, counter.unit, named.id))
            signed = counter.records(connection, (), made.outputs)
            # Past the end of the quote, which is never paid again then.
            until_s = max(counter.now_s(), named.expires_at_s) + KEPT_S
            issued = msgspec.structs.replace(now, state="ISSUED")
            key = quotes.load_key(counter.unit, named.id)
            # Kept for ever until now: it goes, and comes with an end.
            ended = (Delete(key=key), quotes.put(key, issued, until_s))
            facts.write(connection, SCHEME, Applied(records=(*signed, *ended)))
            return {"signatures": made.signatures}

        return await counter.once(asked, work)

    def _shown(self, quote: Quote, state: str) -> bytes:
        counter, named = self._counter, quote.named
        return msgspec.json.encode(
            {
                "quote": quote.text,
                "request": f"{counter.url}/loads/{named.text}",
                "amount": named.amount,
                "unit": counter.unit,
                "state": state,
                "expiry": named.expires_at_s,
                "pubkey": quote.pubkey.hex() or None,
            }
        )


def _require_paid(load: Load | None) -> Load:
    if load is None:
        raise Unpaid("quote_unpaid", "pay the quote at its address first")
    if load.state == "ISSUED":
        raise Replayed("quote_issued", "coins were signed for this quote; restore finds them")
    return load


def _require_owner(quote: Quote, message: MintAsked) -> None:
    """`Forged` unless whoever asks has the key that the quote was made for (NUT-20)."""
    if not quote.pubkey:
        return
    signed = message.quote + "".join(output.B_ for output in message.outputs)
    try:
        signature = bytes.fromhex(message.signature or "")
        schnorr.verify(schnorr.x_of(quote.pubkey), signed.encode(), signature)
    except (Forged, ValueError):
        raise Forged("quote_signature_wrong", "this quote is for the holder of a key") from None


def _pubkey(text: str) -> bytes:
    """A key that is one; `Malformed`."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise Malformed("point_malformed", "a public key is 33 bytes in hex") from None
    schnorr.x_of(raw)
    return raw
