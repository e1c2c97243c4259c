import msgspec
import pytest

from farthing.broker.web import bearer, key_of, problem_of
from farthing.errors import (
    BadRequest,
    Busy,
    Denied,
    Malformed,
    Refusal,
    Unfit,
    Unfunded,
    Unpaid,
    by_name,
    classes,
)


def test_a_bearer_token_is_taken_and_nothing_else() -> None:
    assert bearer("Bearer ft_x") == "ft_x"
    assert bearer("bearer ft_x") == "ft_x"
    for header in ("", "ft_x", "Basic ft_x", "Bearer "):
        with pytest.raises(Denied):
            bearer(header)


def test_keys_are_one_to_255_visible_characters() -> None:
    assert key_of("x" * 255) == "x" * 255
    for header in ("", "x" * 256, "a b", "ä", "a\x7f"):
        with pytest.raises(BadRequest):
            key_of(header)


@pytest.mark.parametrize("kind", classes())
def test_every_refusal_is_a_problem_that_can_be_raised_again(kind: type[Refusal]) -> None:
    status, headers, body = problem_of(kind("some_code", "what to do"))
    members = msgspec.json.decode(body)
    assert status == members["status"] != 402
    assert dict(headers)[b"content-type"] == b"application/problem+json"
    again = by_name(members["refusal"], members["code"], members["detail"])
    assert (type(again), again.code, again.detail) == (kind, "some_code", "what to do")


@pytest.mark.parametrize("kind", [Malformed, Unfit, BadRequest])
def test_what_is_malformed_is_a_bad_request_and_no_credential(kind: type[Refusal]) -> None:
    status, _, body = problem_of(kind("payload_malformed", lastIndex=7))
    members = msgspec.json.decode(body)
    assert (status, members["title"], members["lastIndex"]) == (400, "Bad Request", 7)
    assert members["type"].endswith("/bad-request")
    assert members["refusal"] == kind.__name__


def test_busy_says_when_to_ask_again() -> None:
    _, headers, _ = problem_of(Busy("mark_held"))
    assert dict(headers)[b"retry-after"] == b"1"
    assert problem_of(Unfunded("x"))[0] == 403
    assert problem_of(Unpaid("x"))[0] == 403
