"""What stands in the way of a call of the running broker, with what to do."""

from pathlib import Path

import pytest

from farthing.broker.app import Broker
from farthing.cli import bookkeeping, output
from farthing.cli.calling import call, local_port, read_answer
from farthing.errors import Denied, Misconfigured, Unavailable


def test_a_folder_without_operator_token_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="operator_token_missing"):
        call(tmp_path, "GET", "/balance")


def test_a_broker_that_is_not_running_is_said_with_the_command(tmp_path: Path) -> None:
    data = tmp_path / "broker"
    url = "http://127.0.0.1:9"  # nobody listens on discard
    token = Broker.init(data, broker_id="b", currency="eur", url=url)
    output.write_private(data / bookkeeping.ADMIN_TOKEN, token)
    with pytest.raises(Unavailable, match="farthing broker serve --port 9"):
        call(data, "GET", "/balance")


def test_a_port_is_of_this_machine_or_of_others() -> None:
    urls = ("http://127.0.0.1:8400", "http://localhost", "https://[::1]", "https://b.example:8400")
    assert [local_port(url) for url in urls] == [8400, 80, 443, None]


def test_an_answer_that_is_no_brokers_is_said_and_not_shown() -> None:
    for status, body in ((200, b"<html>"), (502, b"<html>"), (403, b"[]"), (200, b"\xff")):
        with pytest.raises(Unavailable, match="broker_unreachable"):
            read_answer(status, body)


def test_a_brokers_refusal_is_raised_as_it_is() -> None:
    with pytest.raises(Denied, match="not_yours"):
        read_answer(403, b'{"refusal": "Denied", "code": "not_yours", "status": 403}')
