import pytest

from farthing.vendor.commands import Request, expect


def test_an_answer_is_what_the_walk_expects() -> None:
    assert expect(int, 7) == 7
    with pytest.raises(AssertionError, match="str"):
        expect(int, "seven")


def test_a_request_is_frozen() -> None:
    request = Request(method="GET", scheme="https", host="a", path="/", path_query="/", headers=())
    with pytest.raises(AttributeError):
        request.host = "b"  # type: ignore[misc]  # that is the point
