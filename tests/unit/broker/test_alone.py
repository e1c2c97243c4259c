from collections.abc import Callable

import apsw
import pytest

from farthing.broker import alone
from farthing.errors import Refusal, Unfunded


def writing(connection: apsw.Connection, wrong: Exception | None) -> Callable[[], None]:
    def work() -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        if wrong is not None:
            raise wrong

    return work


@pytest.mark.parametrize(
    ("wrong", "code", "told"),
    [
        (None, None, []),
        (Unfunded("account_overdrawn"), "account_overdrawn", []),
        (KeyError("a secret"), "internal_fault", ["lapse of x: KeyError at "]),
    ],
)
def test_a_work_is_done_whole_or_not_at_all_and_says_why(
    wrong: Exception | None, code: str | None, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (n)")
    connection.execute("BEGIN")
    refusal = alone.run(connection, writing(connection, wrong), "lapse of x")
    assert (refusal.code if isinstance(refusal, Refusal) else refusal) == code
    assert connection.execute("SELECT count(*) FROM t").get == (1 if wrong is None else 0)
    assert [message[: len(told[0])] for message in caplog.messages] == told
    assert "secret" not in caplog.text
    assert connection.in_transaction, "the others go on"


def test_an_error_of_sqlite_ends_the_whole_batch() -> None:
    connection = apsw.Connection(":memory:")
    with pytest.raises(apsw.SQLError):
        alone.run(connection, lambda: connection.execute("SELECT * FROM nowhere"), "lapse of x")
