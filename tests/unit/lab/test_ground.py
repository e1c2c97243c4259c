"""One seed, one course of chance."""

from pathlib import Path

from farthing.lab.ground import START_S, Ground


def test_a_seed_decides_entropy_and_luck(tmp_path: Path) -> None:
    one, same, other = (Ground(seed, tmp_path, lines_max=1) for seed in (1, 1, 2))
    assert one.entropy(32) == same.entropy(32) != other.entropy(32)
    assert one.luck.random() == same.luck.random() != other.luck.random()


def test_the_wall_clock_leaps_when_it_is_told(tmp_path: Path) -> None:
    ground = Ground(1, tmp_path, lines_max=1)
    assert ground.wall_s() == START_S
    ground.leap_s += 3_600
    assert ground.wall_s() == START_S + 3_600
