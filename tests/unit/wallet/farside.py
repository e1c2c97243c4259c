"""The far side of a wallet in tests: a site that sells pages for MilliCent scrip, and a bank.

Both are written with the wire's own codecs and the scheme's own till; only their stores are
dictionaries. What goes wrong is scripted: a fault is popped for every request that arrives.
"""

import hashlib
import threading
from typing import Any

import msgspec

from farthing import codec
from farthing.errors import (
    Busy,
    Forged,
    OriginFailed,
    Refusal,
    Replayed,
    Unavailable,
    Undecided,
    Unfunded,
    Unknown,
    Unsolicited,
)
from farthing.marks import NOTHING
from farthing.schemes.contract import At, Binding, Key, Setting
from farthing.schemes.mac.millicent.scrip import (
    OWN_SERIES,
    PAYER_RANGE,
    mint_scrip,
    payer_secret,
    serial_of,
)
from farthing.schemes.mac.millicent.till import MillicentTill
from farthing.wallet.commands import (
    Answered,
    Ask,
    Failed,
    Refused,
    Request,
    Response,
    Sent,
)
from farthing.wire import dialects, receipts, replies
from farthing.wire.offers import Credential, Receipt, Tender, target_of

SITE = "https://news.example"
VENDOR, BROKER, CURRENCY = "vendor-7", "demo-broker", "eur"
K_SCRIP, K_PAYER, K_CHALLENGE = b"s" * 32, b"p" * 32, b"c" * 32
SERIES, RANGE = "0000000001", "00aa"
PAGE = b"<p>a page</p>" * 50
"""What a server over sockets puts under every answer of status 200."""
OUTCOME_PATH = "/.well-known/farthing/outcome"


class KeysOf:
    """A ring over a few keys."""

    def __init__(self, *keys: Key) -> None:
        self._keys = keys

    def current(self, purpose: str) -> Key:
        return next(key for key in self._keys if key.purpose == purpose)

    def live(self, purpose: str) -> list[Key]:
        return [key for key in self._keys if key.purpose == purpose]

    def known(self, purpose: str) -> list[Key]:
        return self.live(purpose)

    def find(self, purpose: str, key_id: str) -> Key | None:
        found = (key for key in self._keys if (key.purpose, key.id) == (purpose, key_id))
        return next(found, None)


RING = KeysOf(
    Key(id=SERIES, purpose=OWN_SERIES, secret=K_SCRIP),
    Key(id=RANGE, purpose=PAYER_RANGE, secret=K_PAYER),
)


def broken(refusal: Refusal, url: str) -> Response:
    """A refusal as a gate without offers sends it."""
    status, headers, body = dialects.refusal(
        refusal,
        headers=(),
        tender=None,
        key=Key(id="1", purpose="challenge", secret=K_CHALLENGE),
        nonce=b"n" * 8,
    )
    return Response(status=status, url=url, headers=_text(headers), body=body)


def _text(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode(), value.decode()) for name, value in headers)


class Site:
    """A vendor with its gate: `handle` answers one request."""

    def __init__(
        self,
        clock: Any,
        *,
        price_micro: int = 200,
        dialects_off: str = "",
        origin: str = SITE,
        binds: bool = False,
    ) -> None:
        self._clock = clock
        self._binds = binds
        self.free: set[str] = set()
        """Paths that cost nothing."""
        self.origin = origin
        self.realm = origin.partition("//")[2]
        self._turn = threading.Lock()
        self.price_micro = price_micro
        self._off = dialects_off
        self.till = MillicentTill(
            Setting(broker_id=BROKER, currency=CURRENCY, ring=RING, vendor_id=VENDOR)
        )
        self.faults: list[str] = []
        """Of the paid requests that arrive next: `lost`, `reply_lost`, `origin_fails`, …"""
        self.charges: list[tuple[str, int]] = []
        """Path and amount of each payment that was taken."""
        self.served: list[str] = []
        self._outcomes: dict[str, tuple[bytes, bytes, Receipt | None]] = {}
        """Payload hash, owner and receipt of each payment; no receipt where it was released."""
        self._spent: dict[str, str] = {}
        self._nonce = 0

    def handle(self, request: Request) -> Sent:
        with self._turn:
            return self._handle(request)

    def _handle(self, request: Request) -> Sent:
        path = request.url.removeprefix(self.origin)
        if path == OUTCOME_PATH:
            return self._outcome(request)
        headers = tuple((name.lower().encode(), value.encode()) for name, value in request.headers)
        paid = any(name in {b"authorization", b"payment-signature"} for name, _ in headers)
        if path in self.free:
            said = (("payment-outcome", "released"),) if paid else ()
            return Response(status=200, url=request.url, headers=said)
        fault = self.faults.pop(0) if paid and self.faults else ""
        if fault == "lost":
            return Failed(reason="ConnectError")
        answer = self._serve(request, path, headers, fault)
        return Failed(reason="ReadError") if fault == "reply_lost" else answer

    def _tender(self, request: Request, path: str) -> Tender:
        at = At(now_s=self._clock())
        return Tender(
            offers=(self.till.offer(self.price_micro, at),),
            realm=self.realm,
            url=request.url,
            target=target_of(request.method, path),
            expires_at_s=at.now_s + 300,
            body_digest=request.body_digest if self._binds else b"",
        )

    def _refuse(self, request: Request, path: str, refusal: Refusal) -> Response:
        self._nonce += 1
        status, headers, body = dialects.refusal(
            refusal,
            headers=(),
            tender=self._tender(request, path),
            key=Key(id="1", purpose="challenge", secret=K_CHALLENGE),
            nonce=self._nonce.to_bytes(8, "big"),
        )
        kept = tuple(pair for pair in headers if pair[0].decode() != self._off)
        return Response(status=status, url=request.url, headers=_text(kept), body=body)

    def _serve(
        self, request: Request, path: str, headers: tuple[tuple[bytes, bytes], ...], fault: str
    ) -> Response:
        try:
            credential = dialects.credential(
                headers,
                realm=self.realm,
                keys=[Key(id="1", purpose="challenge", secret=K_CHALLENGE)],
                target=target_of(request.method, path),
                tender=lambda: self._tender(request, path),
            )
            if self._binds and credential.body_digest != request.body_digest:
                raise Unsolicited("challenge_for_another_body", "made for another body")
            return self._pay(request, path, credential, fault)
        except Refusal as refusal:
            return self._refuse(request, path, refusal)

    def _pay(self, request: Request, path: str, credential: Credential, fault: str) -> Response:
        known = self._outcomes.get(credential.k)
        if known is not None and known[2] is not None:
            return self._page(request, path, known[2], credential)
        if fault == "origin_fails":
            self._remember(credential, None)
            answer = self._refuse(request, path, OriginFailed("origin_failed"))
            headers = (*answer.headers, ("payment-outcome", "released"))
            return msgspec.structs.replace(answer, headers=headers)
        scripted = {
            "busy": Busy("in_progress"),
            "unavailable": Unavailable("broker_unreachable"),
            "undecided": Undecided("outcome_unknown"),
            "forged": Forged("scrip_certificate_wrong"),
        }
        if fault in scripted:
            raise scripted[fault]
        return self._take(request, path, credential)

    def _take(self, request: Request, path: str, credential: Credential) -> Response:
        assert credential.offer is not None
        payment = self.till.read(credential.payload)
        if self._spent.get(payment.scrip.serial, credential.k) != credential.k:
            raise Replayed("instrument_already_spent", "this was paid with before")
        binding = Binding(
            dialect=credential.dialect,
            k=credential.k,
            method=request.method,
            host=self.realm,
            path_query=path,
            target=target_of(request.method, path),
            body_digest=credential.body_digest,
        )
        at = At(now_s=self._clock(), serials=(len(self._spent),))
        taken = self.till.take(payment, credential.offer, binding, NOTHING, at)
        finished = self.till.finish(taken, None, at)
        receipt = Receipt(
            receipt_id=receipts.id_of(credential.k),
            wire_name=credential.wire_name,
            reference=taken.reference,
            challenge_id=credential.challenge_id,
            k=credential.k,
            issued_at_s=at.now_s,
            amount_micro=taken.value_micro,
            currency=CURRENCY,
            vendor_id=VENDOR,
            broker_id=BROKER,
            settlement="final",
            guarantor="broker",
            change=finished.change,
        )
        receipt = receipts.sign_mac(receipt, taken.mac_key)
        self._spent[payment.scrip.serial] = credential.k
        self._remember(credential, receipt)
        self.charges.append((path, taken.value_micro))
        return self._page(request, path, receipt, credential)

    def _page(
        self, request: Request, path: str, receipt: Receipt, credential: Credential
    ) -> Response:
        self.served.append(path)
        headers = dialects.receipt_headers(receipt, credential.dialect)
        replier = self.till.replier(self.till.read(credential.payload))
        if replier is not None:
            reply = replies.sign(replier, receipt.change, 200, headers, PAGE)
            headers = (*headers, (replies.HEADER, reply))
        return Response(status=200, url=request.url, headers=_text(headers))

    def _outcome(self, request: Request) -> Response:
        question = msgspec.json.decode(request.body)
        found = self._outcomes.get(question["k"])
        if found is None:
            return broken(Unknown("outcome_absent"), request.url)
        payload_hash, owner, receipt = found
        statement = codec.enc(
            "farthing/wire/outcome/1", VENDOR, question["k"], payload_hash, question["atS"]
        )
        assert question["payloadHash"] == "sha256:" + codec.b64u(payload_hash)
        self.till.verify_owner(owner, statement, question["proof"])
        value: Any = {"state": "released"}
        if receipt is not None:
            value = {"state": "confirmed", "status": 200, "receipt": receipts.to_json(receipt)}
        return Response(status=200, url=request.url, body=codec.canonical(value))

    def _remember(self, credential: Credential, receipt: Receipt | None) -> None:
        owner = bytes.fromhex(self.till.read(credential.payload).scrip.payer)
        payload_hash = hashlib.sha256(credential.payload).digest()
        self._outcomes[credential.k] = (payload_hash, owner, receipt)


class Bank:
    """A broker's mint: sells scrip, once for each Idempotency-Key."""

    def __init__(self, clock: Any, *, balance_micro: int = 1_000_000) -> None:
        self._clock = clock
        self.balance_micro = balance_micro
        self.faults: list[str] = []
        self.sold_micro = 0
        self._answers: dict[str, Any] = {}

    def handle(self, ask: Ask) -> Answered | Refused | Failed:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost":
            return Failed(reason="ConnectError")
        if fault == "unavailable":
            return Refused(refusal=Unavailable("broker_busy"), retry="same")
        try:
            answer = self.issue(ask.id, ask.asked.message)
        except Unfunded as refusal:
            return Refused(refusal=refusal, retry="new")
        return Failed(reason="ReadError") if fault == "reply_lost" else Answered(value=answer)

    def issue(self, key: str, message: Any) -> Any:
        """The answer to an order; `Unfunded`."""
        if key not in self._answers:
            value_micro = message["valueMicro"]
            if value_micro > self.balance_micro:
                raise Unfunded("balance_too_low", "top up the account")
            self.balance_micro -= value_micro
            self.sold_micro += value_micro
            self._answers[key] = self._mint(value_micro)
        return self._answers[key]

    def _mint(self, value_micro: int) -> Any:
        number = len(self._answers)
        payer = f"{RANGE}{number:012x}"
        scrip = mint_scrip(
            K_SCRIP,
            vendor=VENDOR,
            currency=CURRENCY,
            value_micro=value_micro,
            serial=serial_of(1, 1_000_000 + number),
            payer=payer,
            expires_at_s=self._clock() + 30 * 86_400,
        )
        secret = payer_secret(K_PAYER, VENDOR, payer)
        return {"scrip": msgspec.to_builtins(scrip), "secret": codec.b64u(secret)}
