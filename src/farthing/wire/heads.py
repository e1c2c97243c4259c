"""What the head of a request is refused for, before anything else of it is read.

Source: the limits of the trust programme. Sizes count names, values and target, not what separates
them; servers have limits of their own beside these, and may be the first to refuse.
"""

from collections.abc import Sequence

from farthing.errors import Compressed, HeaderTooLarge

HEADERS_BYTES_MAX = 32 * 1024  # request line and headers: what the documented proxies pass on
HEADERS_MAX = 100  # a browser sends twenty, a proxy adds five
_PLAIN = frozenset({b"", b"identity"})

Pairs = Sequence[tuple[bytes, bytes]]


def require_size(target_bytes: int, headers: Pairs) -> None:
    """`HeaderTooLarge` for a head over its limits; `target_bytes`: path and query."""
    size_bytes = target_bytes
    for name, value in headers:
        size_bytes += len(name) + len(value)
    if size_bytes > HEADERS_BYTES_MAX or len(headers) > HEADERS_MAX:
        told = f"at most {HEADERS_BYTES_MAX} bytes of headers, and {HEADERS_MAX} of them"
        raise HeaderTooLarge("too_large", told)


def require_plain(headers: Pairs) -> None:
    """`Compressed` for a body that says it is: none is unpacked here (zip bombs)."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in _PLAIN:
            raise Compressed("body_compressed", "send the body as it is, without Content-Encoding")
