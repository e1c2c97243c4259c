"""Asking a broker to sign what was paid: a payer's proof towards anybody.

The question bears no account's token, and has no effect, so it is not written down.
"""

from farthing import codec
from farthing.schemes import attestations
from farthing.schemes.attestations import Attestation, Attested, KeyDocument
from farthing.wallet.choice import Guide, place_of
from farthing.wallet.commands import Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.errand import Flow, look
from farthing.wallet.patience import patiently
from farthing.wallet.peering import KEYS_PATH
from farthing.wallet.questions import answer_of, unreachable
from farthing.wire.offers import target_of


def prove(guide: Guide, purchase: Purchase) -> Flow[tuple[Attestation, Attested]]:
    """What the broker signs about a purchase, and what that says; checked as anybody would.

    `Unsupported` for a scheme whose payments have no keys of their own, `Unavailable`, `Forged`;
    the broker's refusals.
    """
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    at = yield from look()
    asked = attestations.question(purse, purchase.paid, at)
    answer = yield from answer_of(purchase.scheme, purchase.broker_id, asked)
    place = place_of(purchase.url)
    target = purchase.received.target or target_of(purchase.method, place.path_query)
    made = Attestation(
        answer=answer,
        body=codec.b64u(purchase.received.body_digest),
        scheme=purchase.scheme,
        target=target,
    )
    keys = yield from _keys_of(guide.brokers[purchase.broker_id].url)
    return made, attestations.verify(made, keys)


def _keys_of(url: str) -> Flow[KeyDocument]:
    request = Request(method="GET", url=url.rstrip("/") + KEYS_PATH)
    answer: Sent = yield from patiently(SendRequest(request=request, leg="keys"))
    if not isinstance(answer, Response) or answer.status != 200:
        raise unreachable()
    return codec.read_open(answer.body, KeyDocument)
