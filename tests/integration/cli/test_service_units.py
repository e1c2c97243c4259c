"""The units in the guide to running as a service are ones that systemd takes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
GUIDE = ROOT / "docs" / "how-to" / "run-as-a-service.md"
UNITS = re.findall(r"```ini\n(.*?)```", GUIDE.read_text(), re.DOTALL)
PROGRAM = "/opt/farthing/.venv/bin/farthing"


def test_the_guide_has_a_unit_for_the_broker_and_one_for_the_gate() -> None:
    assert [unit.count("ExecStart=") for unit in UNITS] == [1, 1]
    assert f"ExecStart={PROGRAM} broker serve\n" in UNITS[0]
    assert f"ExecStart={PROGRAM} vendor serve --upstream " in UNITS[1]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
@pytest.mark.parametrize("unit", UNITS, ids=["broker", "gate"])
def test_systemd_takes_the_unit(unit: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("farthing")
    file = tmp_path / "farthing-test.service"
    file.write_text(unit.replace(PROGRAM, str(program)).replace("User=farthing", "User=root"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = checked.stdout + checked.stderr
    assert (checked.returncode, "farthing-test.service" in said) == (0, False), said
