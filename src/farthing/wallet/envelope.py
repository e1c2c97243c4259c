"""Sealed requests to a vendor's private endpoint, and what comes back in their answers.

What an observer sees of any of them is one POST to one address, and a 200: purchases, repeats and
enquiries look alike. An answer from outside of the seal is taken as it stands: the vendor could
not open the request, or something on the way failed.
"""

from farthing.crypto import sealing
from farthing.errors import Refusal, TooLarge
from farthing.schemes.contract import At, Instrument, Json, Purse
from farthing.wallet.choice import place_of
from farthing.wallet.commands import Failed, Request, Response, Sent
from farthing.wire import sealed
from farthing.wire.published import PRIVATE_PATH

PAYMENT_BYTES_MAX = 4096  # of a payload in a sealed request: MilliCent's has a tenth


def enclose(
    purse: Purse,
    instrument: Instrument,
    request: Request,
    at: At,
    *,
    amount_micro: int = 0,
    payload: Json = None,
) -> bytes:
    """The envelope of a request, with its payment; without `payload` an enquiry.

    `BadRequest` for what no private request may say, `TooLarge`.
    """
    plain = _plain(request, amount_micro, payload)
    return sealed.write_envelope(*purse.seal_request(instrument, plain, at))


def require_sealable(request: Request) -> None:
    """`BadRequest`, `TooLarge` for a request that cannot be sent in private, whatever pays it."""
    if len(_plain(request, 0, {})) + PAYMENT_BYTES_MAX > sealed.PLAIN_BYTES_MAX:
        size_bytes = sealing.MESSAGE_BYTES_MAX
        raise TooLarge("private_message_too_large", f"at most {size_bytes} bytes are sealed")


def _plain(request: Request, amount_micro: int, payload: Json) -> bytes:
    return sealed.write_request(
        method=request.method,
        path_query=place_of(request.url).path_query,
        headers=request.headers,
        body=request.body,
        amount_micro=amount_micro,
        payload=payload,
    )


def carrier(url: str, envelope: bytes) -> Request:
    """What goes over the line to the site of `url`."""
    return Request(
        method="POST",
        url=place_of(url).site + PRIVATE_PATH,
        headers=(("Content-Type", "application/json"),),
        body=envelope,
    )


def opened(purse: Purse, instrument: Instrument, envelope: bytes, url: str, answer: Sent) -> Sent:
    """The answer to an envelope as its payer reads it: that of `url`.

    One that claims to be sealed and does not open is as good as none.
    """
    if not isinstance(answer, Response) or answer.status != 200:
        return answer
    try:
        _, inside = sealed.read_envelope(envelope)
        plain = purse.unseal_answer(instrument, inside, sealed.read_sealed(answer.body))
        status, headers, body = sealed.read_answer(plain)
    except Refusal as refused:
        return Failed(reason=refused.code)
    named = tuple((name.lower(), value) for name, value in headers)
    return Response(status=status, url=url, headers=named, body=body)
