"""The demo's parties come up together and go together."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from farthing.cli.showroom import Showroom


def test_a_showroom_sells_and_leaves_nothing_running(tmp_path: Path) -> None:
    with Showroom(tmp_path, ["millicent"], "", quiet=True) as room:
        port = urlsplit(room.gate_url).port
        assert httpx.get(room.gate_url + "/").status_code == 200
        assert httpx.get(room.gate_url + "/articles/farthing.html").status_code == 402
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port or 0)) != 0


def test_a_showroom_that_cannot_start_stops_what_it_began(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "broker.db").write_text("in the way")
    with (
        pytest.raises(Exception, match="broker_exists"),
        Showroom(tmp_path, ["millicent"], "", quiet=True),
    ):
        pytest.fail("it never started")
