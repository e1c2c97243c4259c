"""A vendor's folder as `farthing vendor init` makes it, and a payer with scrip from nowhere."""

import secrets
import time
from pathlib import Path

import apsw
import msgspec

from farthing import codec, marks
from farthing.schemes.contract import Asked, At, Binding, Instrument, Key, Offer, Paid
from farthing.schemes.mac.millicent import MILLICENT
from farthing.schemes.mac.millicent.scrip import (
    LICENSED_SERIES,
    PAYER_RANGE,
    mint_scrip,
    payer_secret,
    serial_of,
)
from farthing.stores.keys import KeyRing
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor.founding import Config, new_keys
from farthing.wire import mpp, sealed, x402
from farthing.wire.offers import Received, target_of
from tests.kit import envelope
from tests.kit.parties import BROKER, Ring, setting_of

VENDOR = "gazette"
DAY_S = 86_400
WORTH_MICRO = 1000
PRICE_MICRO = 200
PRICES = f"""accept = ["millicent"]
[[route]]
path = "/bound/**"
price = "{PRICE_MICRO}u"
bind_body = true
[[route]]
path = "/sold/**"
price = "{PRICE_MICRO}u"
methods = ["GET", "HEAD", "POST", "PUT"]
origin_timeout_s = 2
"""  # the route of most tests is the last one, so that a line more is a key of it


class Folder:
    """One vendor's folder. The payer's scrip is minted with the keys in it."""

    def __init__(
        self,
        path: Path,
        *,
        prices: str = PRICES,
        proxies: tuple[str, ...] = (),
        broker_url: str = "http://127.0.0.1:9",
        attempts_per_s: int = 50,
    ) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.keys = new_keys(secrets.token_bytes(224), VENDOR, int(time.time()))
        ring = KeyRing.create(path / "ring")
        for key in self.keys:
            ring.add(key)
        config = Config(
            vendor_id=VENDOR,
            broker_id=BROKER,
            broker_url=broker_url,
            broker_root="1",
            currency="eur",
            trusted_proxies=proxies,
            attempts_per_s=attempts_per_s,
        )
        (path / "vendor.json").write_bytes(msgspec.json.encode(config))
        (path / "token").write_text("TEST-TOKEN-CANARY")
        (path / "prices.toml").write_text(prices)
        self._purse = MILLICENT.purse(setting_of(Ring()))
        self._made = 0

    def key(self, purpose: str) -> Key:
        return next(key for key in self.keys if key.purpose == purpose)

    def piece(self) -> Instrument:
        """A fresh piece of scrip."""
        at = At(now_s=int(time.time()), entropy=secrets.token_bytes(64))
        series, payers = self.key(LICENSED_SERIES), self.key(PAYER_RANGE)
        payer = payers.id + "00" * 6
        scrip = mint_scrip(
            series.secret,
            vendor=VENDOR,
            currency="eur",
            value_micro=WORTH_MICRO,
            serial=serial_of(int(series.id, 16), self._made),
            payer=payer,
            expires_at_s=at.now_s // DAY_S * DAY_S + 20 * DAY_S,
        )
        self._made += 1
        secret = codec.b64u(payer_secret(payers.secret, VENDOR, payer))
        asked = Asked(operation="issue", message={"valueMicro": WORTH_MICRO, "vendor": VENDOR})
        answer = {"scrip": msgspec.to_builtins(scrip), "secret": secret}
        bought = self._purse.receive(asked, answer, at)
        assert not isinstance(bought, Asked)
        return bought[0]

    def pay(
        self, challenge: str, path: str, method: str = "GET", piece: Instrument | None = None
    ) -> tuple[str, str]:
        """The header that pays one `WWW-Authenticate` value, with a fresh piece or this one."""
        return self._pay(mpp.read_challenges([challenge])[0], path, method, piece)

    def pay_x402(self, required: str, path: str, method: str = "GET") -> tuple[str, str]:
        """The header that pays one `PAYMENT-REQUIRED` value."""
        return self._pay(x402.read_required(required, now_s=int(time.time()))[0], path, method)

    def _pay(
        self, received: Received, path: str, method: str, piece: Instrument | None = None
    ) -> tuple[str, str]:
        binding = Binding(
            dialect=received.dialect,
            k="",
            method=method,
            host="",
            path_query=path,
            target=received.target or target_of(method, path),
            body_digest=received.body_digest,
        )
        at = At(now_s=int(time.time()), entropy=secrets.token_bytes(64))
        paid = self._purse.pay(piece or self.piece(), received.offer, binding, at)
        assert isinstance(paid, Paid)
        if received.dialect == "mpp":
            return mpp.authorization(received, paid.payload)
        return "PAYMENT-SIGNATURE", x402.payment(received, paid.payload, secrets.token_hex(16))

    def seal(self, path: str, *, headers: sealed.Headers = ()) -> envelope.Envelope:
        """A private payment of the usual price."""
        at = At(now_s=int(time.time()), entropy=secrets.token_bytes(64))
        offer = Offer(
            scheme="millicent",
            price_micro=PRICE_MICRO,
            currency="eur",
            vendor_id=VENDOR,
            broker_id=BROKER,
            broker_url="",
            settlement="final",
        )
        return envelope.pay(self._purse, self.piece(), offer, at, path=path, headers=headers)[0]

    def let_pass(self, seconds: int) -> None:
        """Have every payment come so much earlier, by what its gate remembers."""
        with apsw.Connection(str(self.path / "marks.db")) as connection:
            connection.execute("UPDATE payments SET lease_until_s = lease_until_s - ?", (seconds,))

    def earned_micro(self) -> int:
        """What the outbox holds."""
        store = SqliteMarks(self.path / "marks.db")
        try:
            return sum(total.earned_micro for total in store.do_now(marks.Tally()))
        finally:
            store.close()
