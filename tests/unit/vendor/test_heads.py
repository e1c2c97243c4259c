import pytest

from farthing.vendor.heads import LENGTH_DIGITS_MAX, Head, read_head


def head(*headers: tuple[bytes, bytes]) -> Head:
    return read_head({"type": "http.response.start", "status": 200, "headers": list(headers)})


def test_names_are_in_lower_case_and_in_their_order() -> None:
    found = head((b"X-A", b"1"), (b"content-TYPE", b"text/html"))
    assert found.headers == ((b"x-a", b"1"), (b"content-type", b"text/html"))
    assert (found.status, found.length, found.is_event_stream) == (200, None, False)


@pytest.mark.parametrize(
    ("said", "length"),
    [
        (b"8", 8),
        (b"0", 0),
        (b"9" * LENGTH_DIGITS_MAX, int("9" * LENGTH_DIGITS_MAX)),
        (b"9" * (LENGTH_DIGITS_MAX + 1), None),
        (b"-1", None),
        (b"a few", None),
        (b"", None),
    ],
)
def test_a_length_is_what_can_be_read_as_one(said: bytes, length: int | None) -> None:
    assert head((b"Content-Length", said)).length == length


@pytest.mark.parametrize(
    ("kind", "is_event_stream"),
    [
        (b"text/event-stream", True),
        (b"text/event-stream; charset=utf-8", True),
        (b"text/html", False),
        (b"application/text/event-stream", False),
    ],
)
def test_an_event_stream_says_so(kind: bytes, *, is_event_stream: bool) -> None:
    assert head((b"content-type", kind)).is_event_stream is is_event_stream


def test_an_answer_without_headers_has_none() -> None:
    assert read_head({"status": 304}) == Head(
        status=304, headers=(), length=None, is_event_stream=False
    )
