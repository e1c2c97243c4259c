"""Messages with something changed in them: every bit once, and bytes at random."""

from collections.abc import Iterator

from hypothesis import strategies as st


def bit_flips(raw: bytes) -> Iterator[bytes]:
    """`raw` with each of its bits turned, one at a time."""
    for place in range(len(raw)):
        for bit in range(8):
            yield raw[:place] + bytes((raw[place] ^ (1 << bit),)) + raw[place + 1 :]


@st.composite
def edits(draw: st.DrawFn, raw: bytes) -> bytes:
    """`raw` with a few bytes replaced by a few others, anywhere; never `raw` itself."""
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 4)))
    edited = raw[:start] + draw(st.binary(max_size=4)) + raw[end:]
    return edited if edited != raw else raw[:-1]
