"""The payer's side of MilliCent: buy scrip of a vendor, sign requests with it, adopt the change."""

import msgspec

from farthing import codec, props
from farthing.crypto import sealing
from farthing.crypto.mac import mac
from farthing.errors import Denied, Expired, Forged, OutOfRange, Unsupported
from farthing.schemes import conditions, subscriptions
from farthing.schemes.contract import (
    Accepted,
    Asked,
    At,
    Binding,
    Burned,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
    Replier,
)
from farthing.schemes.mac.millicent import own_scrip, refund, subscription
from farthing.schemes.mac.millicent.private import seal_request, unseal_answer
from farthing.schemes.mac.millicent.reply import replier
from farthing.schemes.mac.millicent.scrip import (
    LARGER_MAX,
    SCRIP_MICRO_MAX,
    TRAITS,
    Burn,
    Scrip,
    burn_sig,
    receipt_key,
    request_sig,
    sign_key,
)
from farthing.schemes.proofs import write_proof
from farthing.schemes.subscriptions import PLAN_PREFIX

PRICE_BYTES = 8  # of what is kept with a payment; the plan that it buys follows
NONCE_BYTES = 8  # the serial is single-use, so the nonce only tells two tries apart


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the wallet keeps of one piece: the scrip and the secret that spends it."""

    scrip: Scrip
    secret: str
    """32 bytes, base64url."""

    def __repr__(self) -> str:
        """The scrip only."""
        return f"Held({self.scrip!r})"


class Sold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to `issue`."""

    change: Scrip | None = None
    """Of the broker scrip that paid for it."""
    scrip: Scrip
    secret: str

    def __repr__(self) -> str:
        """The scrip only."""
        return f"Sold({self.scrip!r})"


class Cashed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to a burn receipt that was to become broker scrip."""

    credited_micro: int = msgspec.field(name="creditedMicro")
    scrip: Scrip
    secret: str

    def __repr__(self) -> str:
        """The scrip only."""
        return f"Cashed({self.scrip!r})"


_HELD = codec.Reader(Held)
_SOLD, _CASHED = codec.Reader(Sold), codec.Reader(Cashed)
_SCRIP, _BURN = codec.Reader(Scrip), codec.Reader(Burn)


class Fresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The vendor's answer to a renewal."""

    scrip: Scrip


_FRESH = codec.Reader(Fresh)
IN_SCRIP = b"scrip"  # kept with an order to burn: the receipt is to become broker scrip


class MillicentPurse(Purse):
    """One wallet's MilliCent at one broker."""

    traits = TRAITS
    refunds = True

    @property
    def means(self) -> str:
        """Broker scrip, of the broker with the account: option `home` where that is another."""
        return str(self.setting.options.get("home", self.setting.broker_id))

    @property
    def _abroad(self) -> str:
        """The vendors' broker, where the one with the account only sells on."""
        return self.setting.broker_id if self.means != self.setting.broker_id else ""

    def ask(self, need: Need, at: At) -> Asked:
        """Scrip of `need.vendor_id`; `OutOfRange` above the largest piece, or what the means are.

        Paid with broker scrip the order is signed (protocol C) and names no account.
        """
        if not 0 < need.amount_micro <= SCRIP_MICRO_MAX:
            raise OutOfRange("scrip_value_out_of_range", f"at most {SCRIP_MICRO_MAX} micro a piece")
        message: dict[str, Json] = {"valueMicro": need.amount_micro, "vendor": need.vendor_id}
        if self._abroad:
            message["broker"] = self._abroad
        named = conditions.keys_of(need.offer) if need.offer is not None else ()
        if named and need.means is None:  # an order that names no account has no properties
            message["reveal"] = ";".join(named)
        if need.means is None:
            return Asked(operation="issue", message=message)
        if need.means.worth_micro < need.amount_micro:
            raise OutOfRange("scrip_below_price", "this piece is worth less than the order")
        held = _HELD.read(need.means.body)
        target = own_scrip.target_of(need.vendor_id, need.amount_micro, self._abroad)
        message["pay"] = _signed(held, target, b"", at)
        return Asked(operation="issue", message=message, bearer=True, kept=need.means.body)

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        """The piece that was bought; `Malformed`, `Forged` if it is not what was asked for.

        A burn receipt from the vendor is carried on to the broker, whose answer leaves nothing.
        A broker with a warehouse may sell a larger piece than was asked for, never a smaller one.
        What broker scrip paid for comes with its change.
        """
        if asked.to == "vendor" and asked.operation == "issue":
            return (self._renewed(asked, answer),)
        if asked.to == "vendor":
            return self._carried(asked, answer)
        if asked.operation == "take_back":
            return self._cashed(asked, answer)
        sold = _SOLD.convert(answer)
        wanted = asked.message
        scrip = sold.scrip
        found = (scrip.vendor, scrip.currency, scrip.value_micro >= wanted["valueMicro"])
        if found != (wanted["vendor"], self.setting.currency, True):
            raise Forged("scrip_not_as_ordered", "the broker sold another piece than was asked for")
        if scrip.value_micro > wanted["valueMicro"] * LARGER_MAX:
            raise Forged("scrip_not_as_ordered", "the broker sold a much larger piece")
        asked_for = {*wanted.get("reveal", "").split(";"), *props.read(wanted.get("props", ""))}
        if not props.read(scrip.props).keys() <= asked_for:
            raise Forged("scrip_not_as_ordered", "the broker tells the vendor more than was asked")
        if sold.scrip.expires_at_s <= at.now_s:
            raise Expired("scrip_expired", "the broker sold a piece that is past its end")
        codec.unb64u(sold.secret, size_bytes=32)
        bought = self._instrument(sold.scrip, sold.secret)
        if not asked.bearer:
            return (bought,)
        held = _HELD.read(asked.kept)
        rest_micro = held.scrip.value_micro - scrip.value_micro
        return (bought, *self._change(held, sold.change, rest_micro))

    def _carried(self, asked: Asked, receipt: Json) -> Asked:
        """The vendor's burn receipt on its way to the broker with the account."""
        if asked.kept != IN_SCRIP and not self._abroad:
            return Asked(operation="take_back", message=receipt)
        message: dict[str, Json] = {"burn": receipt}
        if self._abroad:
            message["broker"] = self._abroad
        if asked.kept == IN_SCRIP:
            message["inScrip"] = True
        is_bearer = own_scrip.is_bearer("take_back", message)
        return Asked(operation="take_back", message=message, bearer=is_bearer, kept=asked.kept)

    def _cashed(self, asked: Asked, answer: Json) -> tuple[Instrument, ...]:
        """What a burn receipt became: money in the account, or broker scrip; `Forged`."""
        if asked.kept != IN_SCRIP:
            return ()
        cashed, burn = _CASHED.convert(answer), _BURN.convert(asked.message["burn"])
        scrip = cashed.scrip
        found = (scrip.vendor, scrip.currency, scrip.value_micro)
        if found != (self.means, self.setting.currency, burn.value_micro):
            raise Forged("scrip_not_as_ordered", "the broker gave other scrip than was due")
        codec.unb64u(cashed.secret, size_bytes=32)
        return (self._instrument(scrip, cashed.secret),)

    def _renewed(self, asked: Asked, answer: Json) -> Instrument:
        """The fresh piece for an old one; `Forged` for another, and for one of more worth.

        However little is left, it is kept: the old piece is gone.
        """
        old = _SCRIP.convert(asked.message["renew"])
        fresh = _FRESH.convert(answer).scrip
        like = msgspec.structs.replace(
            old,
            cert=fresh.cert,
            serial=fresh.serial,
            value_micro=min(fresh.value_micro, old.value_micro),
            expires_at_s=fresh.expires_at_s,
        )
        if fresh != like or fresh.serial == old.serial or fresh.expires_at_s < old.expires_at_s:
            raise Forged("renewal_wrong", "the vendor gave another piece than was renewed")
        return self._instrument(fresh, codec.b64u(asked.kept))

    def _instrument(self, scrip: Scrip, secret: str) -> Instrument:
        return Instrument(
            id=f"{PLAN_PREFIX if subscription.of(scrip) else 'mc:'}{scrip.vendor}:{scrip.serial}",
            scheme=self.traits.name,
            vendor_id=scrip.vendor,
            currency=scrip.currency,
            worth_micro=scrip.value_micro,
            expires_at_s=scrip.expires_at_s,
            body=codec.canonical(Held(scrip=scrip, secret=secret)),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """The scrip and, in protocol C, the request signed; `OutOfRange` if it is worth less.

        In protocol B the seal is the signature, and the nonce tells two tries apart. Scrip that
        carries a subscription pays for the pages of its plan, with nothing, and for no others.
        """
        held = _HELD.read(instrument.body)
        if subscription.is_live(held.scrip, at.now_s):
            secret = codec.unb64u(held.secret, size_bytes=32)
            payload = subscription.payload(held.scrip, secret, offer, binding, at)
            return Paid(payload=payload, spent=instrument, after=instrument, price_micro=0)
        price_micro = conditions.due_micro(offer, held.scrip.props)
        if held.scrip.value_micro < price_micro:
            raise OutOfRange("scrip_below_price", "this piece is worth less than the price")
        kept = price_micro.to_bytes(PRICE_BYTES, "big")
        if plan := subscriptions.sold_by(offer):
            if held.scrip.value_micro == price_micro:
                raise OutOfRange("scrip_without_change", "the plan needs change to stand in")
            kept += subscription.expected(plan)
        payload = {"scrip": msgspec.to_builtins(held.scrip)}
        protocol = offer.terms.get("protocol", "signed")
        if binding.dialect == "private":
            payload["nonce"] = codec.b64u(at.entropy[:NONCE_BYTES])
        elif protocol == "signed":
            payload = _signed(held, binding.target, binding.body_digest, at)
        elif protocol != "clear":
            raise Unsupported("protocol_unsupported", "this wallet pays signed or in clear")
        return Paid(
            payload=payload, spent=instrument, after=None, kept=kept, price_micro=price_micro
        )

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """Adopt the change; `Forged` if it is not the old piece less the price."""
        if isinstance(conclusion, Burned):
            return Concluded()
        if not isinstance(conclusion, Accepted):
            return Concluded(instruments=(paid.spent,))
        if not paid.kept:  # a plan paid: the piece is as it was
            return Concluded(instruments=(paid.spent,))
        held = _HELD.read(paid.spent.body)
        rest_micro = held.scrip.value_micro - int.from_bytes(paid.kept[:PRICE_BYTES], "big")
        change = None if conclusion.change is None else _SCRIP.convert(conclusion.change)
        if change is not None and len(paid.kept) > PRICE_BYTES:
            wanted = paid.kept[PRICE_BYTES:]
            bought = subscription.bought(held.scrip, change, wanted, conclusion.issued_at_s)
            held = msgspec.structs.replace(held, scrip=bought)
        return Concluded(instruments=self._change(held, change, rest_micro))

    def _change(self, held: Held, change: Scrip | None, rest_micro: int) -> tuple[Instrument, ...]:
        """What is left of a piece, with the same secret; `Forged`."""
        if change is None:
            if rest_micro:
                raise Forged("change_missing", "the change was kept; show the vendor the receipt")
            return ()
        kept = msgspec.structs.replace(
            held.scrip, cert=change.cert, serial=change.serial, value_micro=rest_micro
        )
        if change != kept or change.serial == held.scrip.serial:
            raise Forged("change_wrong", "the change differs from the scrip less the price")
        return (self._instrument(change, held.secret),)

    def accept_refund(self, paid: Paid, answer: Json) -> Instrument:
        """New scrip for the price, with the same secret; `Forged`, `Malformed`."""
        held = _HELD.read(paid.spent.body)
        secret = codec.unb64u(held.secret, size_bytes=32)
        price_micro = int.from_bytes(paid.kept[:PRICE_BYTES], "big")
        return self._instrument(refund.accept(held.scrip, secret, price_micro, answer), held.secret)

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`mac:` under the payer's signing key."""
        held = _HELD.read(instrument.body)
        k_sig = sign_key(codec.unb64u(held.secret, size_bytes=32))
        return write_proof("mac", mac(16, k_sig, statement))

    def seal_request(self, instrument: Instrument, message: bytes, at: At) -> tuple[bytes, bytes]:
        """The payer_id, and `message` sealed in protocol B; `TooLarge`."""
        held = _HELD.read(instrument.body)
        payer, nonce = bytes.fromhex(held.scrip.payer), at.entropy[: sealing.NONCE_BYTES]
        secret = codec.unb64u(held.secret, size_bytes=32)
        return payer, seal_request(secret, held.scrip.vendor, payer, nonce, message)

    def unseal_answer(self, instrument: Instrument, request: bytes, sealed: bytes) -> bytes:
        """What the vendor sealed in answer to `request`; `Forged`, `TooLarge`."""
        held = _HELD.read(instrument.body)
        payer, secret = bytes.fromhex(held.scrip.payer), codec.unb64u(held.secret, size_bytes=32)
        return unseal_answer(secret, held.scrip.vendor, payer, request, sealed)

    def receipt_key(self, instrument: Instrument) -> bytes:
        """k_receipt of the payer's secret."""
        held = _HELD.read(instrument.body)
        return receipt_key(codec.unb64u(held.secret, size_bytes=32))

    def replier(self, paid: Paid) -> Replier | None:
        """Under the signing key that goes with the scrip, where the request was signed."""
        held = _HELD.read(paid.spent.body)
        return replier(
            sign_key(codec.unb64u(held.secret, size_bytes=32)), paid.payload.get("sig", "")
        )

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """First the vendor burns the piece; its receipt then goes to the broker.

        A piece that has expired is renewed first, for the vendor's fee, and is then given back by
        asking again. Broker scrip goes to the broker at once, and becomes money; with the option
        `float` other scrip becomes broker scrip. `Denied` while a subscription in it runs.
        """
        held = _HELD.read(instrument.body)
        if subscription.is_live(held.scrip, at.now_s):
            raise Denied("subscription_runs", "it is given back when the subscription has ended")
        nonce = codec.b64u(at.entropy[:NONCE_BYTES])
        secret = codec.unb64u(held.secret, size_bytes=32)
        k_sig = sign_key(secret)
        is_brokers = held.scrip.vendor == self.means
        if at.now_s >= held.scrip.expires_at_s and not is_brokers:
            return Asked(
                operation="issue",
                to="vendor",
                vendor_id=held.scrip.vendor,
                message={
                    "nonce": nonce,
                    "renew": msgspec.to_builtins(held.scrip),
                    "sig": burn_sig(k_sig, held.scrip.cert, nonce, what="renew"),
                },
                kept=secret,
            )
        return Asked(
            operation="take_back",
            to="broker" if is_brokers else "vendor",
            vendor_id="" if is_brokers else held.scrip.vendor,
            message={
                "nonce": nonce,
                "scrip": msgspec.to_builtins(held.scrip),
                "sig": burn_sig(k_sig, held.scrip.cert, nonce),
            },
            kept=IN_SCRIP if self.setting.options.get("float") and not is_brokers else b"",
        )


def _signed(held: Held, target: str, body_digest: bytes, at: At) -> dict[str, Json]:
    """A payment in protocol C."""
    nonce = codec.b64u(at.entropy[:NONCE_BYTES])
    k_sig = sign_key(codec.unb64u(held.secret, size_bytes=32))
    scrip = held.scrip
    return {
        "nonce": nonce,
        "scrip": msgspec.to_builtins(scrip),
        "sig": request_sig(k_sig, scrip.vendor, target, body_digest, scrip.cert, nonce),
    }
