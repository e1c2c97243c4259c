"""Makes `millicent.json` and `payword.json` beside it: `python -m tests.vectors.make`.

Every key, seed and secret in them is test data: `TEST-<name>-CANARY` and the like, worth nothing.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import Refusal
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.payword import FAMILY
from farthing.schemes.contract import Json
from farthing.schemes.mac.millicent import scrip as mc
from farthing.schemes.mac.millicent.claims import ClaimBody, claim_mac
from tests.kit import millicent, payword
from tests.kit.canaries import canary
from tests.kit.parties import DAY_S, NOW_S, TARGET, vendor_account

FOLDER = Path(__file__).parent
Vector = dict[str, Any]
NOTE = (
    "All keys, seeds and secrets here are test data. `expect` is the outcome's kind: `taken`, or "
    "the class of the refusal, with its `code`. Bytes are base64url unless a name says hex."
)


def outcome_of(deed: Callable[[], Vector]) -> Vector:
    """What came of it: `taken` with its result, or the refusal's class and code."""
    try:
        return {"expect": "taken", "result": deed()}
    except Refusal as refusal:
        return {"expect": type(refusal).__name__, "code": refusal.code}


def vector(name: str, given: Vector, outcome: Vector) -> Vector:
    return {"name": name, "source": "ours"} | given | outcome


# --- MilliCent ------------------------------------------------------------------------------------


def millicent_take(given: Vector) -> Vector:
    """The outcome of one payment at a fresh gate; `given` is all that it depends on."""

    def deed() -> Vector:
        scene = millicent.Scene(protocol=given["protocol"])
        scene.clock.now_s = given["nowS"]
        offer = scene.vendor.offer(given["priceMicro"])
        for payload in given["before"]:
            scene.vendor.serve(payload, offer, target=given["target"])
        served = scene.vendor.serve(given["payload"], offer, target=given["target"])
        taken = served.taken
        return {
            "change": served.change,
            "reference": taken.reference,
            "untilS": taken.until_s,
            "valueMicro": taken.value_micro,
        }

    return outcome_of(deed)


def millicent_file() -> Vector:
    scene = millicent.Scene(props="state=ca;student=true")
    piece = scene.buy_with_props("state=ca;student=true")
    held = millicent.held(piece)
    payload = scene.payer.pay(piece, scene.vendor.offer(200)).payload
    given = {
        "before": [],
        "nowS": NOW_S,
        "payload": payload,
        "priceMicro": 200,
        "protocol": "signed",
        "target": TARGET,
    }
    scrip = payload["scrip"]
    end_s = scrip["expiresS"]

    def changed(**fields: Json) -> Json:
        return payload | {"scrip": scrip | fields}

    cases: dict[str, Vector] = {
        "signed payment with change": {},
        "whole piece, no change": {"priceMicro": 1000},
        "two minutes past its expiry": {"nowS": end_s + 120},
        "one second more": {"nowS": end_s + 121},
        "two days past its expiry": {"nowS": end_s + 2 * DAY_S},
        "worth less than the price": {"priceMicro": 1001},
        "another request": {"target": "GET /articles/2"},
        "value raised": {"payload": changed(valueMicro=1001)},
        "expiry moved": {"payload": changed(expiresS=end_s + DAY_S)},
        "props dropped": {"payload": {**payload, "scrip": _without(scrip, "props")}},
        "props changed": {"payload": changed(props="state=ny;student=true")},
        "props in another order": {"payload": changed(props="student=true;state=ca")},
        "serial of another series": {"payload": changed(serial="0000000002000000")},
        "serial of an unknown series": {"payload": changed(serial="0000000009000000")},
        "serial in capitals": {"payload": changed(serial="000000000100000A")},
        "another vendor": {"payload": changed(vendor="other")},
        "another currency": {"payload": changed(currency="usd")},
        "another payer": {"payload": changed(payer="0001000000000000")},
        "certificate changed": {"payload": changed(cert="0" * 32)},
        "no signature": {"payload": {"scrip": scrip}},
        "another nonce": {"payload": payload | {"nonce": "AAAAAAAAAAA"}},
        "a field too many": {"payload": payload | {"more": 1}},
        "the same scrip again": {"before": [payload]},
        "in clear": {"payload": {"scrip": scrip}, "protocol": "clear"},
    }
    vectors = []
    for name, case in cases.items():
        whole = given | case
        vectors.append(vector(name, whole, millicent_take(whole)))
    return {
        "source": "ours",
        "note": NOTE,
        "keys": {
            "licensed series 0000000001": codec.b64u(millicent.MASTER_SECRETS["licensed-series"]),
            "own series 0000000002": codec.b64u(millicent.MASTER_SECRETS["own-series"]),
            "payer range 0001": codec.b64u(millicent.MASTER_SECRETS["payer-range"]),
            "shared with the broker": codec.b64u(millicent.MASTER_SECRETS["burn"]),
        },
        "derived": millicent_derived(held.scrip, codec.unb64u(held.secret), payload),
        "vectors": vectors,
    }


def _without(value: Json, name: str) -> Json:
    return {key: inner for key, inner in value.items() if key != name}


def millicent_derived(scrip: mc.Scrip, secret: bytes, payload: Json) -> Vector:
    """Every formula once, with what goes in and what comes out."""
    k_burn = millicent.MASTER_SECRETS["burn"]
    burn = mc.Burn(
        expires_at_s=scrip.expires_at_s,
        mac="",
        payer=scrip.payer,
        serial=scrip.serial,
        value_micro=scrip.value_micro,
        vendor=scrip.vendor,
    )
    claim = ClaimBody(
        expires_at_s=scrip.expires_at_s, price_micro=200, serial=scrip.serial, vendor=scrip.vendor
    )
    return {
        "scrip": msgspec.to_builtins(scrip),
        "secret": codec.b64u(secret),
        "signKey": codec.b64u(mc.sign_key(secret)),
        "receiptKey": codec.b64u(mc.receipt_key(secret)),
        "requestSigHex": payload["sig"],
        "burnSigHex": mc.burn_sig(mc.sign_key(secret), scrip.cert, payload["nonce"]),
        "burnMacHex": mc.burn_mac(k_burn, burn),
        "claimMacHex": claim_mac(k_burn, claim),
    }


# --- PayWord --------------------------------------------------------------------------------------


def payword_take(given: Vector) -> Vector:
    """The outcome of one payment at a gate that has taken those before it."""

    def deed() -> Vector:
        scene = payword.Scene()
        for before in given["before"]:
            scene.vendor.serve(before, scene.vendor.offer(100))
        scene.clock.now_s = given["nowS"]
        taken = scene.vendor.serve(given["payload"], scene.vendor.offer(given["priceMicro"])).taken
        return {
            "payer": taken.payer,
            "reference": taken.reference,
            "untilS": taken.until_s,
            "valueMicro": taken.value_micro,
        }

    return outcome_of(deed)


def payword_redeem(given: Vector) -> Vector:
    """The outcome of one claim at a broker that has paid those before it."""

    def deed() -> Vector:
        scene = payword.Scene()
        for before in given["before"]:
            scene.broker.redeem(before)
        scene.clock.now_s = given["nowS"]
        applied = scene.broker.run("redeem", given["claim"], vendor_account())
        return {"answer": applied.answer}

    return outcome_of(deed)


def payword_file() -> Vector:
    certificate = payword.Scene().certificate
    hand = payword.Hand(certificate, chains=((100, 50), (2500, 3)))
    return {
        "source": "ours",
        "note": NOTE,
        "keys": {
            "certifying": codec.b64u(payword.CERTIFYING_SECRET),
            "certifying, public": codec.b64u(signing.public_of(payword.CERTIFYING_SECRET)),
            "payer": msgspec.json.decode(certificate.body, type=Card).secret,
            "seed 100": codec.b64u(hand.seeds[100]),
            "seed 2500": codec.b64u(hand.seeds[2500]),
        },
        "derived": {
            "linkKey": codec.b64u(chain.link_key(hand.salt)),
            "words": [hand.link(index) for index in (0, 1, 2, 49, 50)],
            "certificateSignedHex": hand.commitment.certificate.signed(FAMILY).hex(),
            "commitment": msgspec.to_builtins(hand.commitment),
            "commitmentSignedHex": hand.commitment.signed().hex(),
            "commitmentId": hand.commitment.id,
        },
        "vectors": [*payword_payments(certificate, hand), *payword_claims(hand)],
    }


def payword_payments(certificate: Any, hand: payword.Hand) -> list[Vector]:
    link = hand.link
    given = {"before": [], "nowS": NOW_S, "payload": hand.first(link(2)), "priceMicro": 200}
    opened = [hand.first(link(5))]
    midnight_s = (payword.TODAY + 1) * DAY_S
    whole = msgspec.to_builtins(hand.commitment)
    other = payword.Hand(certificate, slots=(0, 1), seed=canary("another-seed", 16))
    twin = payword.Hand(certificate, chains=((100, 50),), slots=(1, 1))

    def dated(days: int) -> Json:
        shifted = payword.Hand(certificate, day=payword.TODAY + days)
        return shifted.first(shifted.link(2))

    def abroad() -> Json:
        foreign = payword.Hand(certificate, vendor="other")
        return foreign.first(foreign.link(2))

    def long_chain() -> Json:
        long = payword.Hand(certificate, chains=((100, 1001),))
        return long.first(long.link(2))

    cases: dict[str, Vector] = {
        "first payment": {},
        "later payment": {"before": opened, "payload": hand.later(link(7))},
        "two denominations": {
            "payload": hand.first(link(1), link(1, 2500)),
            "priceMicro": 2600,
        },
        "index not above the last": {"before": opened, "payload": hand.later(link(5))},
        "index above the length": {
            "before": opened,
            "payload": hand.later([100, 51, link(50)[2]]),
        },
        "word of another index": {
            "before": opened,
            "payload": hand.later([100, 7, link(8)[2]]),
        },
        "worth less than the price": {"priceMicro": 300},
        "two minutes after midnight": {
            "before": opened,
            "nowS": midnight_s + 120,
            "payload": hand.later(link(7)),
        },
        "one second more": {
            "before": opened,
            "nowS": midnight_s + 121,
            "payload": hand.later(link(7)),
        },
        "commitment for yesterday": {"payload": dated(-1)},
        "commitment for tomorrow": {"payload": dated(1)},
        "commitment for another vendor": {"payload": abroad()},
        "commitment above the credit of its slots": {"payload": long_chain()},
        "commitment changed after it was signed": {
            "payload": {"commitment": whole | {"slots": [1, 1]}, "links": [link(2)]}
        },
        "chain that was never opened": {"payload": hand.later(link(2))},
        "slot committed twice": {"before": opened, "payload": other.first(other.link(2))},
        "root committed twice": {"before": opened, "payload": twin.first(twin.link(7))},
        "chain that the commitment has not": {"payload": hand.first([200, 1, link(1)[2]])},
        "negative index": {"payload": hand.first([100, -1, link(1)[2]])},
        "no links": {"payload": hand.first()},
    }
    return [
        vector(f"payment: {name}", given | case, payword_take(given | case))
        for name, case in cases.items()
    ]


def payword_claims(hand: payword.Hand) -> list[Vector]:
    def claim(index: int, value: int = 100) -> Json:
        return hand.first(hand.link(index, value))

    late_s = (payword.TODAY + 2) * DAY_S + 120
    given = {"before": [], "nowS": NOW_S, "claim": claim(7)}
    cases: dict[str, Vector] = {
        "last word": {},
        "the same again": {"before": [claim(7)]},
        "the difference": {"before": [claim(5)]},
        "a lower word": {"before": [claim(9)]},
        "the other chain": {"before": [claim(9)], "claim": claim(2, 2500)},
        "an index that was not reached": {"claim": hand.first([100, 8, hand.link(7)[2]])},
        "at the end of the submit window": {"nowS": late_s},
        "one second more": {"nowS": late_s + 1},
    }
    return [
        vector(f"claim: {name}", given | case, payword_redeem(given | case))
        for name, case in cases.items()
    ]


FILES: dict[str, Callable[[], Vector]] = {
    "millicent.json": millicent_file,
    "payword.json": payword_file,
}


def written(name: str) -> str:
    """The text of one file, as it should be."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    for file_name in FILES:
        (FOLDER / file_name).write_text(written(file_name), encoding="utf-8")
