"""What a payer signs, and what is drawn."""

import hashlib
import math
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed, Overlimit, Unfit
from farthing.schemes.chain.ticket.commitment import ODDS_MAX, is_win, wins_max
from tests.kit.canaries import draw
from tests.kit.ticket import Hand, scene


def hand(**changes: Any) -> Hand:
    stage = scene()
    return Hand(stage.certificate, stage.vendor.offer(100), **changes)


def test_a_draw_is_the_published_formula() -> None:
    for index in (1, 7, 1000):
        x, v = draw(f"x {index}", 16), draw(f"v {index}", 16)
        raw = codec.enc("farthing/lottery-chain/draw/1", index, x, v)
        drawn = int.from_bytes(hashlib.sha256(raw).digest()[:8], "big")
        for odds in (1, 2, 3, 1000, 10**7):
            assert is_win(index, x, v, odds) == (drawn < 2**64 // odds)


def test_at_odds_of_one_every_ticket_wins() -> None:
    assert all(is_win(n, draw(f"{n}", 16), draw(f"{-n}", 16), 1) for n in range(1, 200))


@pytest.mark.parametrize("odds", [2, 7, 100])
def test_one_ticket_in_so_many_wins(odds: int) -> None:
    """Within 4 standard deviations; the same words in every run."""
    count = 20_000
    wins = sum(
        is_win(n, draw(f"x{odds}.{n}", 16), draw(f"v{odds}.{n}", 16), odds)
        for n in range(1, count + 1)
    )
    mean, deviation = count / odds, math.sqrt(count / odds * (1 - 1 / odds))
    assert abs(wins - mean) <= 4 * deviation


@pytest.mark.parametrize(("count", "odds"), [(256, 100), (1000, 2), (32, 4), (1000, 1000)])
def test_a_pledge_leaves_room_for_all_wins_but_of_one_chain_in_a_million(
    count: int, odds: int
) -> None:
    room = wins_max(count, odds)
    above = sum(
        math.comb(count, wins) * (odds - 1) ** (count - wins) / odds**count
        for wins in range(room + 1, count + 1)
    )
    assert above < 1e-6


def test_where_all_win_there_is_room_for_all() -> None:
    assert wins_max(256, 1) == 256


@pytest.mark.parametrize(
    "changes",
    [
        {"length": 0}, {"length": 1001}, {"odds": 0}, {"odds": 10**7 + 1}, {"unit_micro": 0},
        {"slots": (0, 0)},
    ],
)  # fmt: skip  # - one change each
def test_a_commitment_out_of_range_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(hand().commitment, **changes).__post_init__()


def test_a_prize_is_so_rare_and_no_rarer() -> None:
    commitment = msgspec.structs.replace(hand().commitment, unit_micro=1)
    assert msgspec.structs.replace(commitment, odds=ODDS_MAX).odds == ODDS_MAX
    with pytest.raises(Unfit, match="odds_out_of_range"):
        msgspec.structs.replace(commitment, odds=ODDS_MAX + 1).__post_init__()


def test_every_field_is_signed() -> None:
    right = hand().commitment
    right.verify()
    other = hand(name="other").commitment
    for changes in (
        {"length": 31}, {"odds": 3}, {"unit_micro": 99}, {"root": other.root},
        {"salt": other.salt}, {"session": other.salt}, {"vendor_root": other.root},
        {"vendor": "daily"}, {"slots": (1, 1)}, {"day": right.day + 1},
    ):  # fmt: skip  # - one change each
        with pytest.raises(Forged):
            msgspec.structs.replace(right, **changes).verify()


def test_slots_have_room_for_the_prizes() -> None:
    assert hand(length=64).commitment.worth_micro == 400 * wins_max(64, 4)
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        hand(length=1000).commitment.verify()


def test_roots_and_salts_are_sixteen_bytes() -> None:
    right = hand().commitment
    for name in ("root", "salt", "session", "vendor_root"):
        with pytest.raises(Malformed):
            msgspec.structs.replace(right, **{name: "AAAA"}).words()
