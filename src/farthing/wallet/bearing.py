"""Money as text for whoever has it, and taking what somebody else has written so.

``token = "fc1" + base64url(JSON of broker, scheme and what the purse gave)``

A purse that has texts of its own, as Cashu has, gives one of these instead, and takes those of
other wallets.

What is at hand is given where it fits exactly; else the account buys more first. Token and what is
left are written before the token is shown to anybody. The receiver needs no account: at once it
makes what it got its own, at the broker, so that whoever gave it cannot spend it as well.
"""

from collections.abc import Mapping

import msgspec

from farthing import codec, ids, money
from farthing.errors import (
    Malformed,
    OutOfRange,
    Refusal,
    Replayed,
    Unfunded,
    Unknown,
    Unsupported,
)
from farthing.schemes import registry
from farthing.schemes.contract import Instrument, Json, Need, Purse
from farthing.wallet import rounding
from farthing.wallet.book import Book
from farthing.wallet.choice import Guide, place_of
from farthing.wallet.commands import Ask, Broker, OpenAsk, Wish
from farthing.wallet.errand import ID_BYTES, Flow, look, look_for, run
from farthing.wallet.file import File
from farthing.wallet.grants import Grant, Grants, Made
from farthing.wallet.handing import Home

TOKEN_PREFIX = "fc1"  # noqa: S105 - what it begins with
TOKEN_CHARS_MAX = 64 * 1024  # of 60 coins: 37,000
ID_ENTROPY = 12  # random bytes of a grant's id


class Borne(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a token."""

    broker: Home
    scheme: str
    value: Json

    def __repr__(self) -> str:
        """The scheme only: a value is worth money."""
        return f"Borne({self.scheme})"


def send(
    guide: Guide, file: File, broker_id: str, amount_micro: int, scheme: str = ""
) -> Flow[Grant]:
    """An amount as a token for whoever has it; it counts as spent.

    `scheme`: which is meant; the first that can be given so else. `Unsupported` where there is
    none; the mint's refusals.
    """
    names = [
        name
        for name in guide.schemes
        if scheme in {"", name} and guide.purse(name, broker_id).parts
    ]
    if not names:
        raise Unsupported("part_unsupported", "no scheme of this wallet is passed on to bearers")
    wish = Wish(
        scheme=names[0],
        broker_id=broker_id,
        vendor_id="",
        currency=guide.brokers[broker_id].currency,
        price_micro=amount_micro,
    )
    while True:
        at = yield from look()
        grant = Grants(file).hand_over(wish, at.now_s, _Maker(guide, wish, at.now_s, at.entropy))
        if grant is not None:
            return grant
        yield from _load(guide, wish)


def _load(guide: Guide, wish: Wish) -> Flow[None]:
    """Buy what the amount can be taken of; the first refusal."""
    purse, amount_micro = guide.purse(wish.scheme, wish.broker_id), wish.price_micro
    amounts: tuple[int, ...] = (amount_micro,)
    if purse.blind:
        most_micro = guide.policy.limits.per_day_micro
        amounts = rounding.for_price(amount_micro, amount_micro, most_micro)
    refusal: Refusal | None = None
    for wanted_micro in amounts:
        need = Need(amount_micro=wanted_micro, currency=wish.currency)
        numbered, at = (yield from look_for(purse)), (yield from look())
        ask = Ask(
            id=ids.new_id("ask", at.entropy[:ID_BYTES]),
            created_at_s=at.now_s,
            broker_id=wish.broker_id,
            scheme=wish.scheme,
            vendor_id="",
            site="",
            amount_micro=wanted_micro,
            asked=purse.ask(need, numbered),
            number=numbered.number,
        )
        try:
            yield from _run(guide, ask)
        except (Unfunded, OutOfRange) as refused:
            refusal = refusal or refused
        else:
            return
    assert refusal is not None, "there is at least one amount"
    raise refusal


class _Maker:
    """Makes the token, as the store asks for it inside its transaction."""

    def __init__(self, guide: Guide, wish: Wish, now_s: int, entropy: bytes) -> None:
        self._guide, self._wish, self._now_s, self._entropy = guide, wish, now_s, entropy

    def __call__(self, instrument: Instrument) -> Made | None:
        """None where the purse cannot."""
        wish, broker = self._wish, self._guide.brokers[self._wish.broker_id]
        purse = self._guide.purse(wish.scheme, wish.broker_id)
        try:
            parted = purse.part(instrument, wish.price_micro)
        except OutOfRange:
            return None
        borne = Borne(
            broker=Home(currency=broker.currency, id=broker.id, url=broker.url),
            scheme=wish.scheme,
            value=parted.token,
        )
        written = TOKEN_PREFIX + codec.b64u(codec.canonical(borne))
        grant = Grant(
            id=ids.new_id("g", self._entropy[:ID_ENTROPY]),
            created_at_s=self._now_s,
            site="",
            broker_id=wish.broker_id,
            scheme=wish.scheme,
            vendor_id="",
            currency=wish.currency,
            amount_micro=wish.price_micro,
            until_s=instrument.expires_at_s,
            token=parted.token if purse.bearer_prefixes else written,
            withdrawal=None,
        )
        return grant, (parted.left,)


def admit(file: File, token: str) -> Broker:
    """The broker behind a token, remembered where it is new: then it can be asked.

    `Malformed`, `Unknown`; `Conflict` where it is known at another address.
    """
    book = Book(file)
    home = read(token, book.brokers()).broker
    broker = Broker(
        id=ids.require_broker_id(home.id),
        url=home.url,
        account="",
        token="",
        currency=money.require_currency(home.currency),
    )
    if not place_of(broker.url).site:
        raise Malformed("token_malformed", "it names no broker")
    return book.meet_broker(broker)


def claim(guide: Guide, file: File, token: str) -> Flow[int]:
    """Make what a token has this wallet's alone; how much it was, micro-units.

    Its broker is known (`admit`). `Malformed`; `Replayed` where somebody had it before.
    """
    borne = read(token, guide.brokers)
    purse = guide.purse(borne.scheme, borne.broker.id)
    at = yield from look_for(purse)
    ask = Ask(
        id=ids.new_id("ask", (yield from look()).entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=borne.broker.id,
        scheme=borne.scheme,
        vendor_id="",
        site="",
        amount_micro=0,
        asked=purse.claim(borne.value, at),
    )
    before_micro = _held_micro(file, borne.broker.id)
    try:
        yield from _run(guide, ask)
    except Replayed:  # as it is where it was claimed before, and the answer comes only now
        if _held_micro(file, borne.broker.id) == before_micro:
            raise
    return _held_micro(file, borne.broker.id) - before_micro


def _held_micro(file: File, broker_id: str) -> int:
    return sum(one.worth_micro for one in Book(file).holdings() if one.broker_id == broker_id)


def _run(guide: Guide, ask: Ask) -> Flow[None]:
    """Send an ask, and before it one of its kind that was left open."""
    while True:
        opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=ask.created_at_s)
        assert opened is not None, "nobody is patient, and nothing pays for it"
        try:
            yield from run(guide, opened)
        except Refusal:
            if opened.id == ask.id:
                raise
        if opened.id == ask.id:
            return


def is_token(text: str) -> bool:
    """Whether a text is for whoever has it."""
    return text.startswith(TOKEN_PREFIX) or _owner_of(text) is not None


def _owner_of(text: str) -> type[Purse] | None:
    """Whose own text it is."""
    for scheme in registry.all_schemes():
        if any(text.startswith(prefix) for prefix in scheme.purse.bearer_prefixes):
            return scheme.purse
    return None


def read(token: str, brokers: Mapping[str, Broker]) -> Borne:
    """What is in a token.

    `Malformed`; `Unknown` for a scheme's own text of a broker that this wallet does not know.
    """
    token = token.strip()
    if not is_token(token) or len(token) > TOKEN_CHARS_MAX:
        raise Malformed("token_malformed", "copy it whole")
    purse = _owner_of(token)
    if purse is None:
        return codec.read_open(codec.unb64u(token.removeprefix(TOKEN_PREFIX)), Borne)
    issuer = purse.issuer_of(token)
    for broker in brokers.values():
        if not broker.via and issuer.startswith(f"{broker.url}/"):  # others share its address
            home = Home(currency=broker.currency, id=broker.id, url=broker.url)
            return Borne(broker=home, scheme=purse.traits.name, value=token)
    told = f"{issuer[:200]} is no mint of a broker of this wallet: make one that has an account"
    raise Unknown(
        "broker_unknown", f"{told} there, with farthing wallet init --data NEW --broker URL"
    )
