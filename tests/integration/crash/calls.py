"""Requests to broker and gate as the operator, a payer and a vendor send them, byte by byte."""

import os
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from farthing import codec, ids
from farthing.schemes import registry
from farthing.schemes.chain.credit.promised import LIVE_MAX
from farthing.schemes.contract import (
    Asked,
    At,
    Binding,
    Dialect,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
    Setting,
)
from farthing.vendor import endpoints
from farthing.wallet.seed import SeedRing
from farthing.wire import mpp, published, x402, x402_entry
from farthing.wire.offers import Received, target_of
from tests.integration.crash.fleet import VENDOR
from tests.integration.crash.middle import Message
from tests.integration.crash.place import Call, Place
from tests.integration.crash.wares import PRICE_MICRO
from tests.kit import envelope

BROKER_ID = "crash-broker"
PAYER = "ann"
LOAD_MICRO = 2_000
CREDIT_MICRO = 10**8  # thousands of certificates are opened
ENTROPY_BYTES = 512
REFERENCE_BYTES = 8
DIALECT_HEADERS: Mapping[Dialect, str] = {"mpp": "www-authenticate", "x402": "payment-required"}


class Callers:
    """The operator, a payer and a vendor of one place, writing their requests by hand."""

    def __init__(self, fleet: Place) -> None:
        self._fleet = fleet
        self._ports = {
            "broker": urlsplit(fleet.broker_url).port or 0,
            "gate": urlsplit(fleet.gate_url).port or 0,
        }
        body = {"id": PAYER, "creditLimitMicro": CREDIT_MICRO, "payoutTo": "DE00 1234"}
        fleet.tokens[PAYER] = fleet.call("/accounts", body)["tokens"]
        fleet.top_up(PAYER, 10**8, "RF-callers")
        self.serial = ""
        """Of the certificate that a chain was opened with last."""
        self._loads = 0
        self._chain: Instrument | None = None
        self._spent: Instrument | None = None

    # --- bytes ----------------------------------------------------------------------------------

    def port(self, party: str) -> int:
        return self._ports[party]

    def request(
        self, to: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Call:
        """Without a token, unless these headers have one."""
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self._ports[to]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
        return Call(to, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _say(self, call: Call) -> Message:
        (answer,) = self._fleet.ask(call.to, call.request)
        return answer

    def done(self, call: Call) -> Any:
        answer = self._say(call)
        assert answer.status in {200, 201}, answer.raw
        return msgspec.json.decode(answer.body)

    def get(self, to: str, path: str, token: str = "") -> Call:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.request(to, "GET", path, headers)

    def post(self, path: str, body: Json, token: str) -> Call:
        """To the broker, under a key of its own."""
        headers = {
            "authorization": f"Bearer {token}",
            "idempotency-key": secrets.token_hex(16),
        }
        return self.request("broker", "POST", path, headers, msgspec.json.encode(body))

    def at(self) -> At:
        return At(now_s=self._fleet.now_s(), entropy=os.urandom(ENTROPY_BYTES))

    def begin_anew(self) -> None:
        """Pay next with a chain that was not used yet."""
        self._chain = None

    @property
    def operator(self) -> str:
        return self._fleet.admin_token

    @property
    def pay(self) -> str:
        return self._fleet.tokens[PAYER]["pay"]

    @property
    def _redeem(self) -> str:
        return self._fleet.tokens[VENDOR]["redeem"]

    # --- accounts and money ---------------------------------------------------------------------

    def open_account(self) -> Call:
        return self.post("/accounts", {"id": f"n{secrets.token_hex(6)}"}, self.operator)

    def change_account(self) -> Call:
        body = {
            "id": PAYER,
            "creditLimitMicro": CREDIT_MICRO + secrets.randbelow(10**6),
            "payoutTo": "DE00 1234",
        }
        return self.post(f"/accounts/{PAYER}", body, self.operator)

    def top_up(self) -> Call:
        reference = f"RF-{secrets.token_hex(REFERENCE_BYTES)}"
        body = {"amountMicro": 100_000, "payer": PAYER, "reference": reference}
        return self.post("/topup", body, self.operator)

    def pay_out(self) -> Call:
        return self.post("/payout", {"amountMicro": 10_000, "role": "payer"}, self.pay)

    def payout(self) -> str:
        """One that is planned."""
        return str(self.done(self.pay_out())["payout"])

    def step_payout(self) -> Call:
        made = self.payout()
        return self.post(f"/payouts/{made}", {"state": "exported"}, self.operator)

    def transfer(self) -> Call:
        body = {"id": secrets.token_hex(16), "to": f"vendor/{VENDOR}", "amountMicro": 5}
        return self.post("/transfer", body, self.pay)

    # --- instruments ----------------------------------------------------------------------------

    def purse(self, scheme: str) -> Purse:
        setting = Setting(
            broker_id=BROKER_ID,
            currency="eur",
            ring=SeedRing(bytes(32)),
            broker_url=self._fleet.broker_url,
        )
        return registry.by_name(scheme).purse(setting)

    def _asked(self, scheme: str, offer: Offer | None = None) -> Asked:
        self._loads += 1
        if self._loads % (LIVE_MAX // 2) == 0:  # an account has so many certificates, and no more
            self._fleet.tokens[PAYER]["pay"] = self.new_account(10**8, CREDIT_MICRO, f"{PAYER}.")[1]
        need = Need(amount_micro=LOAD_MICRO, currency="eur", vendor_id=VENDOR, offer=offer)
        return self.purse(scheme).ask(need, self.at())

    def issue(self, scheme: str, token: str = "") -> Call:
        return self.post(f"/issue/{scheme}", self._asked(scheme).message, token or self.pay)

    def new_payer(self, funds_micro: int, credit_micro: int = 0) -> str:
        """The token of an account with so much money."""
        return self.new_account(funds_micro, credit_micro)[1]

    def new_account(self, funds_micro: int, credit_micro: int, start: str = "n") -> tuple[str, str]:
        """Name and token of an account with so much money and credit."""
        name = start + secrets.token_hex(6)
        body = {"id": name, "creditLimitMicro": credit_micro, "payoutTo": "DE00 1234"}
        token: str = self._fleet.call("/accounts", body)["tokens"]["pay"]
        self._fleet.top_up(name, funds_micro, f"RF-{name}")
        return name, token

    def load(self, scheme: str, offer: Offer | None = None) -> Instrument:
        purse, asked = self.purse(scheme), self._asked(scheme, offer)
        answer = self.done(self.post(f"/issue/{scheme}", asked.message, self.pay))["answer"]
        received = purse.receive(asked, answer, self.at())
        assert isinstance(received, tuple), "loading is one errand"
        return received[0]

    def give_back(self) -> Call:
        """To the vendor: burn a piece of scrip."""
        asked = self.purse("millicent").give_back(self.load("millicent"), self.at())
        return self._mint("take-back", "millicent", asked)

    def renew(self) -> Call:
        """To the vendor: a fresh piece for an old one."""
        old = self.load("millicent")
        late = msgspec.structs.replace(self.at(), now_s=old.expires_at_s)
        return self._mint("issue", "millicent", self.purse("millicent").give_back(old, late))

    def _mint(self, operation: str, scheme: str, asked: Asked) -> Call:
        path = f"{endpoints.PREFIX}{operation}/{scheme}"
        return self.request("gate", "POST", path, {}, msgspec.json.encode(asked.message))

    def cash_out(self) -> Call:
        """To the broker: the vendor's receipt for burned scrip."""
        purse = self.purse("millicent")
        asked = purse.give_back(self.load("millicent"), self.at())
        burned = self.done(self._mint("take-back", "millicent", asked))["answer"]
        following = purse.receive(asked, burned, self.at())
        assert isinstance(following, Asked), "the receipt goes to the broker"
        return self.post("/take-back/millicent", following.message, self.pay)

    def revoke(self) -> Call:
        """The key of a certificate is lost."""
        serial = self.load("payword").id.partition(":")[2]
        return self.post("/take-back/payword", {"serial": serial}, self.pay)

    def survey(self) -> Call:
        """What the broker has sold to the account."""
        return self.post("/status/agent", self.purse("agent").survey().message, self.pay)

    def ask_who(self) -> Call:
        """Whose a name is that vendors know."""
        name = self.load("payword").id.partition(":")[2]
        return self.get("broker", f"/payers/{name}", self.operator)

    def revoke_by_operator(self) -> Call:
        serial = self.load("payword").id.partition(":")[2]
        return self.post("/revoke/payword", {"name": serial}, self.operator)

    # --- pages ----------------------------------------------------------------------------------

    def page(self, scheme: str, dialect: Dialect, area: str, method: str = "GET") -> Call:
        """A paid request for a page."""
        return self._paid(scheme, dialect, area, method)[0]

    def burn_and_spends(self, dialect: Dialect, area: str, count: int) -> list[Call]:
        """A piece of scrip goes back to the vendor, and pays for pages meanwhile."""
        spends = self.spends("millicent", dialect, area, count - 1)
        burn = self._mint("take-back", "millicent", self._give_back(self._spent))
        return [*spends[::2], burn, *spends[1::2]]

    def _give_back(self, instrument: Instrument | None) -> Asked:
        assert instrument is not None, "one was spent"
        return self.purse("millicent").give_back(instrument, self.at())

    def spends(self, scheme: str, dialect: Dialect, area: str, count: int) -> list[Call]:
        """As many payments for as many pages, all with one instrument as it is."""
        self._chain = None
        _, paid, _ = self._paid(scheme, dialect, area)  # never sent
        self._spent = spent = paid.spent
        return [self._paid(scheme, dialect, area, spent=spent)[0] for _ in range(count)]

    def _paid(
        self,
        scheme: str,
        dialect: Dialect,
        area: str,
        method: str = "GET",
        spent: Instrument | None = None,
    ) -> tuple[Call, Paid, str]:
        path = f"/{area}/1.html?{secrets.token_hex(6)}"
        unpaid = self.request("gate", method, path, {})
        (challenge,) = self._fleet.ask("gate", unpaid.request)
        received = self._offer(challenge, scheme, dialect)
        k = str(received.echo["id"]) if dialect == "mpp" else ids.new_id("w", os.urandom(16))
        binding = Binding(
            dialect=dialect,
            k=k,
            method=method,
            host=f"127.0.0.1:{self._ports['gate']}",
            path_query=path,
            target=target_of(method, path),
        )
        instrument = spent or (self._chain if scheme == "payword" else self.load(scheme))
        purse = self.purse(scheme)
        if instrument is None:
            certificate = self.load(scheme)
            self.serial = certificate.id.partition(":")[2]
            _, instrument = purse.open(certificate, received.offer, self.at())
        paid = purse.pay(instrument, received.offer, binding, self.at())
        assert isinstance(paid, Paid), "these schemes pay at once"
        if scheme == "payword":
            worth_micro = 0 if paid.after is None else paid.after.worth_micro
            self._chain = paid.after if worth_micro >= PRICE_MICRO else None
        if dialect == "mpp":
            name, value = mpp.authorization(received, paid.payload)
        else:
            name, value = "PAYMENT-SIGNATURE", x402.payment(received, paid.payload, k)
            k = x402.key_of(received, paid.payload, k)
        return self.request("gate", method, path, {name: value}), paid, k

    def private(self, area: str) -> Call:
        """A sealed request for a page."""
        path, at = f"/{area}/1.html?{secrets.token_hex(6)}", self.at()
        offer = Offer(
            scheme="millicent",
            price_micro=PRICE_MICRO,
            currency="eur",
            vendor_id=VENDOR,
            broker_id=BROKER_ID,
            broker_url="",
            settlement="final",
        )
        piece = self.load("millicent")
        sent, _ = envelope.pay(self.purse("millicent"), piece, offer, at, path=path)
        call = self.request("gate", "POST", published.PRIVATE_PATH, {}, sent.raw)

        def read(body: bytes) -> object:
            status, headers, page = sent.read(body)
            return status, [pair for pair in headers if pair[0] != "date"], page

        return call._replace(read=read)

    def _offer(self, challenge: Message, scheme: str, dialect: Dialect) -> Received:
        assert challenge.status == 402, challenge.raw
        lines = challenge.head.decode("latin-1").split("\r\n")
        named = [line.partition(": ") for line in lines if ": " in line]
        values = [value for name, _, value in named if name.lower() == DIALECT_HEADERS[dialect]]
        if dialect == "mpp":
            offers = mpp.read_challenges(values)
        else:
            offers = x402.read_required(values[0], now_s=self._fleet.now_s())
        return next(offer for offer in offers if offer.offer.scheme == scheme)

    def bought(self, scheme: str) -> tuple[Paid, str]:
        """A page that was paid for: the payment and its K."""
        call, paid, k = self._paid(scheme, "mpp", "pages")
        assert self._say(call).status == 200
        return paid, k

    def outcome(self, scheme: str) -> Call:
        """What became of a payment, asked by whoever can show it."""
        paid, k = self.bought(scheme)
        question = codec.canonical({"k": k, "payload": paid.payload})
        return self.request("gate", "POST", published.OUTCOME_PATH, {}, question)

    # --- claims ---------------------------------------------------------------------------------

    def claims(self, scheme: str) -> list[Json]:
        """A fresh payment, as the vendor shows it to the broker."""
        assert self._say(self.page(scheme, "mpp", "pages")).status == 200
        return self._fleet.newest_claims(scheme)

    def redeem(self, scheme: str) -> Call:
        return self.post(f"/redeem/{scheme}", {"claims": self.claims(scheme)}, self._redeem)

    def facilitator(self, scheme: str, **more: Json) -> dict[str, Json]:
        """The facilitator's message about a fresh payment, on a chain of its own."""
        self.begin_anew()
        return self.shown(scheme, self.claims(scheme)[0], **more)

    def shown(self, scheme: str, payload: Json, **more: Json) -> dict[str, Json]:
        """The facilitator's message about a payment."""
        wanted: dict[str, Json] = {
            "scheme": x402_entry.SCHEME,
            "network": ids.network(BROKER_ID),
            "asset": "microeur",
            "amount": str(PRICE_MICRO),
            "payTo": VENDOR,
            "maxTimeoutSeconds": 300,
            "extra": {"method": registry.wire_name(scheme)[0]},
        }
        return {
            "x402Version": x402.VERSION,
            "paymentPayload": {
                "x402Version": x402.VERSION,
                "accepted": wanted,
                "payload": payload,
            },
            "paymentRequirements": wanted,
        } | more

    def verify(self, scheme: str) -> Call:
        return self.post("/verify", self.facilitator(scheme), self._redeem)

    def settle(self, scheme: str) -> Call:
        return self.post("/settle", self.facilitator(scheme), self._redeem)

    def reserve(self, scheme: str) -> Call:
        message = self.facilitator(scheme, reserve={"atEnd": "void"})
        return self.post("/settle", message, self._redeem)

    def reserved(self, scheme: str) -> dict[str, Json]:
        """What names a new reservation."""
        return self.hold(self.facilitator(scheme, reserve={"atEnd": "void"}))

    def hold(self, message: Json) -> dict[str, Json]:
        """What names the reservation that a facilitator's message asks for."""
        reserved = self.done(self.of_vendor("/settle", message))
        return {"transaction": reserved["transaction"], "reservation": 1}

    def step(self, path: str, scheme: str) -> Call:
        return self.of_vendor(path, self.reserved(scheme))

    def of_vendor(self, path: str, body: Json) -> Call:
        return self.post(path, body, self._redeem)
