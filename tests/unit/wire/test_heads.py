"""What a head is refused for before anything else is read."""

import pytest

from farthing.errors import Compressed, HeaderTooLarge
from farthing.wire.heads import HEADERS_BYTES_MAX, HEADERS_MAX, require_plain, require_size


def test_a_head_has_its_bytes_and_no_more() -> None:
    room = HEADERS_BYTES_MAX - len("/page") - len("x-long")
    require_size(len("/page"), [(b"x-long", b"a" * room)])
    for target, value in (("/page", room + 1), ("/page?", room)):
        with pytest.raises(HeaderTooLarge, match="too_large"):
            require_size(len(target), [(b"x-long", b"a" * value)])


def test_a_head_has_so_many_headers_and_no_more() -> None:
    require_size(1, [])
    require_size(1, [(b"x", b"1")] * HEADERS_MAX)
    with pytest.raises(HeaderTooLarge, match="too_large"):
        require_size(1, [(b"x", b"1")] * (HEADERS_MAX + 1))


def test_a_body_that_is_packed_is_refused_and_one_that_says_it_is_not_is_read() -> None:
    for plain in ([], [(b"content-encoding", b"identity")], [(b"content-encoding", b" ")]):
        require_plain([(b"accept-encoding", b"gzip"), *plain])
    for packed in (b"gzip", b"br", b"identity, gzip", b"x-own"):
        with pytest.raises(Compressed, match="body_compressed"):
            require_plain([(b"content-encoding", packed)])
