import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Unfit
from farthing.schemes.chain.agent.certificate import (
    OPENED_MAX,
    PATH_MAX,
    SEGMENTS_MAX,
    Opening,
    verify_certificate,
    verify_opening,
)
from farthing.schemes.contract import Key
from tests.kit.agent import Hand, Scene, certificate_of, certifying_key, opening_in, signed
from tests.kit.parties import Ring


def test_segments_part_all_tokens_and_the_last_has_the_rest() -> None:
    certificate = certificate_of(Scene().buy(42))
    tokens = [certificate.tokens_in(number) for number in range(certificate.segments)]
    assert (sum(tokens), set(tokens[:-1])) == (42, {certificate.segment})


def test_a_certificate_is_the_brokers_word_for_every_field() -> None:
    certificate = certificate_of(Scene().buy())
    ring = Ring(msgspec.structs.replace(certifying_key(), secret=b""))
    verify_certificate(certificate, ring)
    changed: dict[str, object] = {
        "broker": "other", "currency": "usd", "expires_at_s": 1, "first_order": 2, "length": 41,
        "public_key": "A" * 43, "root": "A" * 43, "segment": 5, "serial": "t_", "unit_micro": 1,
        "vendor": "news",
    }  # fmt: skip  # - one field each
    for name, value in changed.items():
        with pytest.raises(Forged):
            verify_certificate(msgspec.structs.replace(certificate, **{name: value}), ring)
    with pytest.raises(Forged, match="certificate_key_unknown"):
        verify_certificate(certificate, Ring(Key(id="2", purpose="other")))


def test_an_opening_is_the_payers_word_for_these_segments_and_this_vendor() -> None:
    scene = Scene()
    instrument = scene.buy()
    opening = opening_in(scene.pay(instrument, tokens=15))
    verify_opening(opening)
    for changed in (
        msgspec.structs.replace(opening, vendor="daily"),
        msgspec.structs.replace(opening, time_s=opening.time_s + 1),
        msgspec.structs.replace(opening, segments=tuple(n + 1 for n in opening.segments)),
    ):
        with pytest.raises(Forged):
            verify_opening(changed)
    moved = msgspec.structs.replace(opening, segments=tuple(n + 1 for n in opening.segments))
    with pytest.raises(Forged, match="merkle"):
        verify_opening(signed(moved, instrument))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("length", 0),
        ("length", 100_001),
        ("segment", 0),
        ("segment", 41),
        ("unit_micro", 0),
        ("unit_micro", 10**9 + 1),
        ("first_order", 0),
        ("first_order", 2**53 - 1),
        ("expires_at_s", 0),
    ],
)
def test_a_certificate_out_of_range_cannot_be(field: str, value: int) -> None:
    certificate = certificate_of(Scene().buy(40))
    with pytest.raises(Unfit):
        msgspec.structs.replace(certificate, **{field: value})


def test_a_certificate_has_no_more_segments_than_a_path_is_short() -> None:
    certificate = certificate_of(Scene().buy(40))
    longest = msgspec.structs.replace(certificate, length=SEGMENTS_MAX, segment=1)
    assert longest.segments == SEGMENTS_MAX
    with pytest.raises(Unfit, match="segment_count_out_of_range"):
        msgspec.structs.replace(longest, length=SEGMENTS_MAX + 1)


def test_an_opening_has_so_many_segments_and_no_more() -> None:
    opening = opening_in(Scene().pay(Scene().buy(40)))
    certificate = msgspec.structs.replace(opening.certificate, length=40, segment=1)
    opening = msgspec.structs.replace(opening, certificate=certificate)
    most, more = range(OPENED_MAX), range(OPENED_MAX + 1)
    root = opening.roots[0]
    longest = msgspec.structs.replace(opening, segments=tuple(most), roots=(root,) * len(most))
    assert len(longest.segments) == OPENED_MAX
    with pytest.raises(Unfit, match="opened_out_of_range"):
        msgspec.structs.replace(opening, segments=tuple(more), roots=(root,) * len(more))


def test_an_opening_has_no_longer_path_than_reads_back() -> None:
    scene = Scene()
    hand = Hand(scene, length=256, segment=1)
    path = ("A" * 43,)
    opening = msgspec.convert(hand.opening(range(0, 64, 8)), Opening)
    longest = msgspec.structs.replace(opening, path=path * PATH_MAX)
    assert msgspec.convert(codec.read_json(codec.canonical(longest)), Opening) == longest
    with pytest.raises(Unfit, match="path_too_long"):
        msgspec.structs.replace(opening, path=path * (PATH_MAX + 1))
    with pytest.raises(Unfit, match="path_too_long"):
        hand.opening(range(0, 256, 8))


def test_an_opening_names_segments_in_order_once_and_within_the_certificate() -> None:
    scene = Scene()
    opening = opening_in(scene.pay(scene.buy(), tokens=15))
    count = len(opening.segments)
    beyond = tuple(range(100, 100 + count))
    for segments in ((), opening.segments[::-1], (0,) * count, opening.segments[:-1], beyond):
        with pytest.raises(Unfit):
            msgspec.structs.replace(opening, segments=segments)
    with pytest.raises(Unfit, match="time_out_of_range"):
        msgspec.structs.replace(opening, time_s=-1)
