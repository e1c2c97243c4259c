import hashlib

import pytest

from farthing import codec
from farthing.wire.offers import TARGET_BYTES_MAX, target_of


@pytest.mark.parametrize("path_query", ["/", "/a/1093?b=c", "/" + "é" * 97 + "x"])
def test_short_target_is_plain(path_query: str) -> None:
    assert target_of("GET", path_query) == f"GET {path_query}"


def test_target_over_its_limit_in_bytes_is_hashed() -> None:
    fits = "/" + "x" * (TARGET_BYTES_MAX - len("GET /"))
    assert target_of("GET", fits) == f"GET {fits}"
    for longer in (fits + "x", "/" + "é" * 98):
        digest = codec.b64u(hashlib.sha256(longer.encode()).digest())
        assert target_of("GET", longer) == f"GET sha256:{digest}"
