from typing import Any

import msgspec
import pytest

from farthing.errors import Malformed, TooLarge
from farthing.schemes.coin.cashu import payment_request
from farthing.schemes.coin.cashu.payment_request import PaymentRequest
from tests.kit.nuts import vectors


@pytest.mark.parametrize(
    "vector", vectors("nut18", "payment_request"), ids=lambda vector: str(vector["name"])
)
def test_published_requests_are_read(vector: dict[str, Any]) -> None:
    found = payment_request.read(vector["encoded"])
    same = vector["encoded_decodes_to_request"]
    assert found == msgspec.convert(vector["request" if same else "decoded"], PaymentRequest)
    assert payment_request.read(payment_request.write(found)) == found


def test_a_gates_request_has_no_transport() -> None:
    wanted = PaymentRequest(a=1, u="eur", m=("https://broker.example/cashu/eur",))
    assert payment_request.read(payment_request.write(wanted)) == wanted


@pytest.mark.parametrize("text", ["", "creqB", "creqA", "creqA!", "creqAoWFhYXg=", "cashuBoA"])
def test_rubbish_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        payment_request.read(text)


def test_a_request_is_as_long_as_a_header() -> None:
    with pytest.raises(TooLarge, match="request_too_large"):
        payment_request.read("creqA" + "A" * payment_request.REQUEST_CHARS_MAX)
