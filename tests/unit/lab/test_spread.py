import os
import signal
import time
from concurrent.futures import as_completed
from functools import partial
from pathlib import Path

from farthing.lab import scratch
from farthing.lab.spread import spread

LONG_S = 600.0  # nobody waits for it


def made(number: int) -> tuple[int, int, str]:
    return number * number, os.getpid(), str(scratch.new_folder("test"))


def sleeper(begun: Path, number: int) -> int:
    (begun / f"{os.getpid()}").write_text(str(scratch.new_folder("test").parent))
    os.kill(os.getpid(), signal.SIGINT)  # as a terminal does, to everybody
    time.sleep(LONG_S)
    return number


def test_every_task_is_done_elsewhere_and_its_folders_go() -> None:
    with spread(made, range(5), workers=2) as coming:
        found = [each.result() for each in as_completed(coming)]
    assert sorted(square for square, _, _ in found) == [0, 1, 4, 9, 16]
    assert os.getpid() not in {process for _, process, _ in found}
    assert not any(Path(folder).exists() for _, _, folder in found)


def test_workers_hear_no_interrupt_and_end_with_their_folders_when_nobody_waits(
    tmp_path: Path,
) -> None:
    with spread(partial(sleeper, tmp_path), range(4), workers=2) as coming:
        while len(list(tmp_path.iterdir())) < 2 or not all(
            each.read_text() for each in tmp_path.iterdir()
        ):
            time.sleep(0.01)
        assert not any(each.done() for each in coming)
    for each in tmp_path.iterdir():
        assert not Path(f"/proc/{each.name}").exists()
        assert not Path(each.read_text()).exists()
