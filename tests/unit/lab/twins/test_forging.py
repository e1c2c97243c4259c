"""A forged message differs from the true one, in one place, and nowhere else."""

import random

import msgspec
import pytest

from farthing import codec
from farthing.lab.network import Message
from farthing.lab.twins.forging import elsewhere, flipped, inflated, repaid, under

PAID = (b"authorization", b"Payment eyJhIjoxfQ"), (b"accept", b"text/plain")
MESSAGE = Message(method="GET", url="https://shop.example/a/1", headers=PAID)


@pytest.mark.parametrize("seed", range(20))
def test_one_bit_of_a_body_is_flipped(seed: int) -> None:
    message = msgspec.structs.replace(MESSAGE, body=b'{"a":1}')
    forged = flipped(message, random.Random(seed))
    assert forged.headers == message.headers
    pairs = zip(forged.body, message.body, strict=True)
    assert sum((one ^ other).bit_count() for one, other in pairs) == 1


def test_without_a_body_what_pays_is_changed_and_no_other_header() -> None:
    forged = [flipped(MESSAGE, random.Random(seed)) for seed in range(20)]
    assert any(one != MESSAGE for one in forged)
    for one in forged:
        assert one.headers[1] == PAID[1]
        assert one.headers[0][1].startswith(b"Payment ")


def test_headers_and_addresses_are_replaced() -> None:
    message = under(MESSAGE, authorization="Bearer b", idempotency_key="k")
    assert dict(message.headers) == {
        b"accept": b"text/plain",
        b"authorization": b"Bearer b",
        b"idempotency-key": b"k",
    }
    assert elsewhere(MESSAGE, "other.example").url == "https://other.example/a/1"
    assert elsewhere(MESSAGE, "other.example", "/b").url == "https://other.example/b"


def test_a_name_in_what_pays_is_replaced_by_another() -> None:
    token = codec.b64u(b'{"payload":{"stream":"tick:a:1"}}')
    voucher = under(MESSAGE, authorization=f"Payment {token}")
    word, _, said = dict(repaid(voucher, "tick:a:1", "tick:b:9").headers)[
        b"authorization"
    ].partition(b" ")
    assert (word, codec.unb64u(said.decode())) == (
        b"Payment",
        b'{"payload":{"stream":"tick:b:9"}}',
    )


def test_a_number_grows_or_a_text_comes_from_elsewhere() -> None:
    true = b'{"claims":[{"a":5,"b":"x"},{"a":7,"b":"y"}]}'
    forged = {inflated(true, random.Random(seed)) for seed in range(100)}
    assert b'{"claims":[{"a":10,"b":"x"},{"a":7,"b":"y"}]}' in forged
    assert b'{"claims":[{"a":5,"b":"y"},{"a":7,"b":"y"}]}' in forged
    assert inflated(b'{"claims":[]}', random.Random(1)) == b'{"claims":[]}'
