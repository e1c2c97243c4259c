"""Scrip that carries a subscription: `sub=<plan>;until=<unix seconds>` among its properties.

The vendor writes them into the change of the page that sells the plan. Until then the piece pays
for every page of the plan and moves no money; afterwards it is ordinary scrip, worth what it was.
A payment with it is signed under a tag of its own and for one plan, so that nobody makes a charge
out of it; its mark is its nonce, once, instead of the serial. Source: the paper's subscriptions;
the messages are ours::

    sig = mac16(k_sig, subscribed/1, vendor, target, body_digest, certificate, plan, nonce)
"""

import msgspec

from farthing import codec, props
from farthing.crypto.mac import mac
from farthing.errors import Denied, Expired, Forged, OutOfRange, Unsupported
from farthing.marks import Once
from farthing.props import SUB, UNTIL
from farthing.schemes import conditions, subscriptions
from farthing.schemes.contract import At, Binding, Json, Offer
from farthing.schemes.mac.millicent.scrip import DAY_S, SKEW_S, Scrip, sign_key
from farthing.schemes.subscriptions import Plan

SUBSCRIBED_TAG = "farthing/millicent/subscribed/1"
NONCE_BYTES = 8  # random: one payer hardly takes 2^32 pages under one plan

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(tuple[str, int]).decode


def of(scrip: Scrip) -> tuple[str, int] | None:
    """Plan and end (unix seconds) of the subscription in a piece, None where there is none."""
    found = props.read(scrip.props)
    until = found.get(UNTIL, "")
    return (found[SUB], int(until)) if SUB in found and until.isdecimal() else None


def is_live(scrip: Scrip, now_s: int) -> bool:
    """Whether a piece carries a subscription that has not ended."""
    found = of(scrip)
    return found is not None and now_s < found[1]


def begun(old: Scrip, plan: Plan, now_s: int) -> str:
    """The properties of the change of `old` that carries `plan`; `Denied`, `Unfit`.

    `Unfit` where they would be too long.
    """
    if is_live(old, now_s):
        raise Denied("subscription_runs", "this piece carries a subscription; pay with another")
    return with_plan(old.props, plan.plan, now_s + plan.days * DAY_S)


def with_plan(text: str, plan: str, until_s: int) -> str:
    """Properties with a subscription in the place of any before; `Unfit`."""
    return props.write({**props.read(text), SUB: plan, UNTIL: str(until_s)})


def request_sig(
    k_sig: bytes, vendor: str, target: str, body_digest: bytes, cert: str, plan: str, nonce: str
) -> str:
    """The payer's signature on a request that its plan covers, 32 hex digits."""
    return mac(16, k_sig, SUBSCRIBED_TAG, vendor, target, body_digest, cert, plan, nonce).hex()


def require_covered(scrip: Scrip, plan: str, offer: Offer, now_s: int) -> int:
    """The end of the subscription, unix seconds; `Denied`, `Expired` where it pays nothing here."""
    found = of(scrip)
    if found is None or found[0] != plan:
        raise Denied("subscription_missing", "this scrip carries no subscription to the plan")
    if not subscriptions.covers(offer, plan):
        raise Denied("subscription_not_for_this", f"the plan {plan} does not cover this page")
    if now_s > found[1] + SKEW_S:
        raise Expired("subscription_ended", f"the plan {plan} has ended; subscribe anew, or pay")
    conditions.require_eligible(offer, scrip.props)
    return found[1]


def payload(scrip: Scrip, secret: bytes, offer: Offer, binding: Binding, at: At) -> dict[str, Json]:
    """A payment of nothing under the plan in a piece; `OutOfRange`, `Denied`, `Unsupported`.

    In protocol B the seal is the signature.
    """
    found = of(scrip)
    if found is None or not subscriptions.covers(offer, found[0]):
        raise OutOfRange("scrip_kept_for_plan", "this piece pays for the pages of its plan only")
    conditions.require_eligible(offer, scrip.props)
    plan, nonce = found[0], codec.b64u(at.entropy[:NONCE_BYTES])
    made: dict[str, Json] = {"nonce": nonce, "plan": plan, "scrip": msgspec.to_builtins(scrip)}
    if binding.dialect == "private":
        return made
    if offer.terms.get("protocol", "signed") != "signed":
        raise Unsupported("plan_needs_signature", "subscriptions are shown signed")
    made["sig"] = request_sig(
        sign_key(secret),
        scrip.vendor,
        binding.target,
        binding.body_digest,
        scrip.cert,
        plan,
        nonce,
    )
    return made


def expected(plan: Plan) -> bytes:
    """What a wallet keeps with a payment that buys `plan`: see `bought`."""
    return _ENCODE((plan.plan, plan.days))


def bought(old: Scrip, change: Scrip, kept: bytes, issued_at_s: int) -> Scrip:
    """`old` with plan and expiry of `change`; `Forged` if those are not as `kept` says.

    `issued_at_s` is the receipt's: by a clock of ours that is ahead every plan would be too short.
    """
    plan, days = _DECODE(kept)
    found = of(change)
    if found is None or found[0] != plan or found[1] < issued_at_s + days * DAY_S:
        raise Forged("subscription_missing", "the change does not carry the plan that was bought")
    if change.expires_at_s < max(found[1], old.expires_at_s):
        raise Forged("subscription_missing", "the change ends before the plan that was bought")
    return msgspec.structs.replace(
        old, expires_at_s=change.expires_at_s, props=with_plan(old.props, *found)
    )


def mark_of(scrip: Scrip, nonce: str, until_s: int) -> Once:
    """The mark of one payment: kept until the plan pays for nothing any more; `Malformed`."""
    raw = codec.unb64u(nonce, size_bytes=NONCE_BYTES)
    return Once(
        id=b"millicent/sub" + bytes.fromhex(scrip.serial) + raw, until_s=until_s + 2 * SKEW_S
    )
