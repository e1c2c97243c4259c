"""Payments with tokens of A Micropayment System, as its own mint and purse make them."""

import secrets
from collections.abc import Iterator

import msgspec

from bench.payments import BROKER, CURRENCY, RingInMemory, at_now
from farthing import codec, marks
from farthing.crypto import signing
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.agent.certificate import CERTIFICATE_KEY
from farthing.schemes.contract import (
    Account,
    Asked,
    Binding,
    Json,
    Key,
    Offer,
    Paid,
    Setting,
)
from farthing.schemes.revocations import ListState

LIST_LIFE_S = 3_600
KEY_BYTES = 32


def certifying_key() -> Key:
    """A broker's key for certificates of tokens; the vendor uses its public half."""
    secret = secrets.token_bytes(KEY_BYTES)
    return Key(id="t1", purpose=CERTIFICATE_KEY, secret=secret, public=signing.public_of(secret))


def list_of_now() -> marks.Take:
    """What a gate writes when it has fetched the broker's list."""
    now_s = at_now().now_s
    state = ListState(number=1, this_update_s=now_s, next_update_s=now_s + LIST_LIFE_S)
    hold = marks.Hold(
        k="list", digest=b"", marks=(), kept=b"", now_s=now_s, lease_until_s=now_s,
        until_s=now_s + LIST_LIFE_S,
    )  # fmt: skip  # - one command
    return marks.Take(hold=hold, outcome=b"", records=(state.put("agent", hold.until_s),))


class TokenPayer:
    """Buys generic tokens, one segment a certificate, and pays with them one by one."""

    def __init__(self, certifying: Key) -> None:
        """`certifying` signs for the broker."""
        setting = Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(certifying))
        self._mint, self._purse = AGENT.mint(setting), AGENT.purse(setting)

    def chain(self, offer: Offer, binding: Binding, length: int) -> Iterator[Json]:
        """The payloads of `length` payments of one token each."""
        secret = secrets.token_bytes(KEY_BYTES)
        order = {
            "length": length,
            "publicKey": codec.b64u(signing.public_of(secret)),
            "segment": length,
            "unitMicro": offer.price_micro,
            "vendor": "",
        }
        at = at_now(secrets.token_bytes(64))
        account = Account(id="payer", role="payer")
        checked = self._mint.check("issue", order, account, at)
        sold = self._mint.apply(checked, marks.NOTHING, at)
        asked = Asked(operation="issue", message=order, kept=secret)
        bought = self._purse.receive(asked, msgspec.to_builtins(sold.answer), at)
        assert isinstance(bought, tuple), "tokens come in one answer"
        (instrument,) = bought
        for _ in range(length):
            paid = self._purse.pay(instrument, offer, binding, at)
            assert isinstance(paid, Paid), "tokens ask nobody first"
            yield paid.payload
            instrument = paid.after or instrument
