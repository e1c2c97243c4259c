from itertools import product

import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed
from farthing.schemes.coin.blind import messages
from farthing.schemes.coin.blind.messages import PAYMENTS, Payment
from farthing.schemes.contract import Json
from tests.kit.blind import Scene
from tests.kit.canaries import canary, draw
from tests.kit.parties import binding_of, on_the_wire


def payment() -> Payment:
    scene = Scene()
    return PAYMENTS.convert(on_the_wire(scene.pay(scene.withdraw())[0].payload))


def test_every_field_of_a_payment_is_bound_and_signed() -> None:
    made = payment()
    made.verify("ecash")
    changes: tuple[dict[str, Json], ...] = (
        {"vendor": "daily"},
        {"priceMicro": 1},
        {"period": made.period + 1},
        {"order": codec.b64u(draw("order", 32))},
        {"box": [*made.box, "AAAA"]},
        {"payer": codec.b64u(draw("payer", 32))},
        {"sig": codec.b64u(draw("sig", 64))},
    )
    for change in changes:
        changed = PAYMENTS.convert(on_the_wire(msgspec.to_builtins(made) | change))
        with pytest.raises(Forged):
            changed.verify("ecash")
        assert ("box" in change or "sig" in change) == (
            changed.header("ecash") == made.header("ecash")
        )


def test_what_a_box_is_bound_to_differs_with_its_use() -> None:
    made = payment()
    found = {
        make(scheme, broker)
        for make, scheme, broker in product(
            (messages.exchange_header, messages.return_header), ("ecash", "cashu"), ("one", "two")
        )
    }
    assert len(found | {made.header("ecash"), made.header("cashu")}) == 10


def test_an_order_is_the_request_and_its_body() -> None:
    one = binding_of()
    with_body = msgspec.structs.replace(one, body_digest=draw("body", 32))
    orders = {
        messages.order_of("ecash", each) for each in (one, with_body, binding_of(target="GET /2"))
    }
    assert len(orders) == 3


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"list": ["current"]},
        {"list": "current", "more": 1},
        {"outputs": []},
        {"outputs": ["A"] * 61},
        {"outputs": "A"},
        {"exchange": []},
        {"exchange": ["A"] * 17},
        {"restore": []},
        {"spent": []},
        {"proof": "A", "payer": "A"},
        [],
        "list",
        None,
    ],
    ids=str,
)
def test_a_message_of_no_kind_is_malformed(message: Json) -> None:
    with pytest.raises(Malformed):
        messages.read_issue(message)


def test_what_is_returned_is_coins_alone() -> None:
    assert messages.GIVINGS.convert({"coins": ["A"]}).coins == ("A",)
    wrong: tuple[Json, ...] = ({}, {"coins": []}, {"coins": ["A"], "more": 1})
    for message in wrong:
        with pytest.raises(Malformed):
            messages.GIVINGS.convert(message)


def test_a_payment_does_not_show_its_box() -> None:
    made = payment()
    assert made.box[0][:20] not in repr(made)
    assert canary("x").hex() not in repr(made)
