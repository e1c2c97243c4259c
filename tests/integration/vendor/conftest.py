"""Fixtures of the tests that start real servers: one gate before one origin for a whole file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing.cli import servers
from tests.kit.folder import Folder
from tests.kit.origin import Origin


class Running:
    """A gate process, its folder, and what it stands before."""

    def __init__(self, url: str, folder: Folder, origin: Origin, log: Path) -> None:
        self.url, self.folder, self.origin, self.log = url, folder, origin, log


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("gate")
    folder, port = Folder(path / "vendor"), servers.free_port()
    url = f"http://127.0.0.1:{port}"
    with Origin() as origin:
        arguments = ["vendor", "serve", "--upstream", origin.url, "--port", str(port)]
        command = servers.python("-m", "farthing.cli", *arguments)
        env = {"FARTHING_DATA": str(folder.path)}
        log = path / "gate.log"
        with servers.running(command, url=url + "/free/page", log=log, env=env):
            yield Running(url, folder, origin, log)
