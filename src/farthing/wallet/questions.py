"""Questions to a broker that have no effect: not written down, and asked without an account."""

from farthing import ids
from farthing.errors import Unavailable
from farthing.schemes.contract import Asked
from farthing.wallet.commands import Answered, Ask, AskMint, Failed, Refused
from farthing.wallet.errand import ID_BYTES, Flow, look
from farthing.wallet.patience import patiently


def answer_of(scheme: str, broker_id: str, asked: Asked) -> Flow[dict[str, object]]:
    """What the broker answers; its refusal, `Unavailable`."""
    at = yield from look()
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=broker_id,
        scheme=scheme,
        vendor_id="",
        site="",
        amount_micro=0,
        asked=asked,
    )
    answer: Answered | Refused | Failed = yield from patiently(AskMint(ask=ask))
    match answer:
        case Answered(value=dict() as value):
            return value
        case Refused(refusal=refusal):
            raise refusal
        case _:
            raise unreachable()


def unreachable() -> Unavailable:
    """That no answer came."""
    return Unavailable("broker_unreachable", "the broker does not answer; try again")
