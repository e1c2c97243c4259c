"""What stands in the way of a call of the running broker, with what to do."""

from pathlib import Path

import pytest

from farthing.broker.app import Broker
from farthing.cli import bookkeeping, output
from farthing.cli.calling import call
from farthing.errors import Misconfigured, Unavailable


def test_a_folder_without_operator_token_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="operator_token_missing"):
        call(tmp_path, "GET", "/balance")


def test_a_broker_that_is_not_running_is_said_with_the_command(tmp_path: Path) -> None:
    data = tmp_path / "broker"
    url = "http://127.0.0.1:9"  # nobody listens on discard
    token = Broker.init(data, broker_id="b", currency="eur", url=url)
    output.write_private(data / bookkeeping.ADMIN_TOKEN, token)
    with pytest.raises(Unavailable, match="farthing broker serve"):
        call(data, "GET", "/balance")
