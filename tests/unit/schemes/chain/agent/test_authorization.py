import hashlib

import msgspec

from farthing import codec
from farthing.schemes.chain.agent.authorization import (
    AUTHORIZATION_PREFIX,
    AUTHORIZATION_S,
    Authorization,
    number_of,
    record_of,
)
from tests.kit.canaries import canary
from tests.kit.parties import NOW_S, binding_of

SECRET = canary("authorization-key")
BINDING = binding_of(target="GET /buy/my%20report.pdf?session=a%2Bb")


def test_a_payment_has_one_number_and_every_other_payment_another() -> None:
    number = number_of(SECRET, "agent:t_1:0.1", BINDING)
    assert len(number) == 16
    assert number == number_of(SECRET, "agent:t_1:0.1", BINDING)
    others = {
        number_of(canary("another-key"), "agent:t_1:0.1", BINDING),
        number_of(SECRET, "agent:t_1:0.2", BINDING),
        number_of(SECRET, "agent:t_1:0.1", binding_of(target="GET /buy/other.pdf?session=a%2Bb")),
        number_of(SECRET, "agent:t_1:0.1", binding_of(target="GET /buy/my%20report.pdf?session=x")),
    }
    assert len(others - {number}) == 4


def test_what_is_kept_is_the_hash_and_what_the_number_is_good_for() -> None:
    number = number_of(SECRET, "agent:t_1:0.1", BINDING)
    put = record_of(number, "t_1", BINDING, NOW_S)
    assert put.key == AUTHORIZATION_PREFIX + hashlib.sha256(codec.b64u(number).encode()).digest()
    assert msgspec.json.decode(put.value, type=Authorization) == Authorization(
        payer="t_1", product="/buy/my report.pdf", session="session=a%2Bb", until_s=put.until_s
    )
    assert put.until_s == NOW_S + AUTHORIZATION_S
    assert number not in put.key + put.value
