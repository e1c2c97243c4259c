"""`farthing broker judge` and `who`; docs/how-to/settle-a-dispute.md shows it with an order."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.broker import facts
from farthing.broker.app import Broker
from farthing.cli import broker_disputes, build
from farthing.errors import Malformed, Misconfigured, Refusal, Unknown, Unsupported
from farthing.marks import Put
from farthing.schemes.contract import Applied


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "broker"
    Broker.init(folder, broker_id="b", currency="eur", url="http://127.0.0.1:1")
    return folder


def judged(data: Path, file: Path) -> BaseException | None:
    command = ["broker", "judge", str(file), "--data", str(data)]
    return CliRunner().invoke(build(["broker"]), command).exception


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (None, Misconfigured),
        (b"", Malformed),
        (b'{"scheme":"millicent","shown":{}}', Unsupported),
        (b'{"scheme":"ikp","shown":{}}', Refusal),
        (b'{"scheme":"nothing","shown":{}}', Refusal),
    ],
)
def test_a_file_that_shows_nothing_is_refused(
    data: Path, tmp_path: Path, raw: bytes | None, kind: type[Refusal]
) -> None:
    file = tmp_path / "order.json"
    if raw is not None:
        file.write_bytes(raw)
    assert isinstance(judged(data, file), kind)


@pytest.mark.parametrize("more", [0, 1])
def test_no_more_of_a_file_is_read_than_an_order_may_have(
    data: Path, tmp_path: Path, more: int
) -> None:
    file, raw = tmp_path / "order.json", b'{"scheme":"millicent","shown":{}}'
    file.write_bytes(raw + b" " * (broker_disputes.FILE_BYTES_MAX - len(raw)) + b"{" * more)
    assert isinstance(judged(data, file), Unsupported)


def test_who_names_account_and_scheme_offline(data: Path) -> None:
    broker = Broker.open(data)
    mint = broker.engine.books.mint("ikp")
    record = Put(key=mint.pseudonym_key("p_1"), value=b"ann", until_s=2**40)
    broker.engine.books.committer.do_now(
        lambda db: facts.write(db, "ikp", Applied(records=(record,)))
    )
    broker.close()
    runner, command = CliRunner(), ["broker", "who", "p_1", "--data", str(data)]
    assert runner.invoke(build(["broker"]), command).stdout == "p_1: ann, by ikp\n"
    command[2] = "p_2"
    assert isinstance(runner.invoke(build(["broker"]), command).exception, Unknown)
