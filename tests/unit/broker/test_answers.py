import apsw
import msgspec
import pytest

from farthing.broker import answers, store
from farthing.broker.answers import Asked
from farthing.broker.vault import Vault
from farthing.errors import Busy, Refusal, Replayed, Reused, Unavailable, Unfunded, classes
from farthing.schemes.contract import Key

VAULT = Vault(Key(id="1", purpose="vault", secret=bytes(32)))
ASKED = Asked(scope="alice/issue/coupon", key="k1", digest=b"d")


def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    made.execute(store.SCHEMA)
    return made


def ask(db: apsw.Connection, asked: Asked, outcome: bytes | Refusal) -> bytes | Refusal:
    def work() -> tuple[bytes, int]:
        db.execute("INSERT INTO settings VALUES ('written', 'x')")
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome, 0

    found = answers.once_only(db, VAULT, asked, 1_000, work)
    assert found is not None
    return found


def test_work_without_an_answer_yet_keeps_what_it_wrote_and_may_run_again() -> None:
    db = connection()

    def work() -> None:
        db.execute("INSERT OR REPLACE INTO settings VALUES ('begun', 'x')")

    for _ in range(2):
        assert answers.once_only(db, VAULT, ASKED, 1_000, work) is None
    assert db.execute("SELECT count(*) FROM settings").get == 1
    db.execute("DELETE FROM settings")
    assert ask(db, ASKED, b"now") == b"now"


def test_work_runs_once_and_its_answer_is_kept() -> None:
    db = connection()
    assert ask(db, ASKED, b"first") == b"first"
    assert ask(db, ASKED, b"second") == b"first"


def test_a_decided_refusal_is_kept_and_what_it_wrote_undone() -> None:
    db = connection()
    for outcome in (Unfunded("balance_too_low", "top up", limit=5), b"too late"):
        found = ask(db, ASKED, outcome)
        assert isinstance(found, Unfunded)
        assert (found.code, found.detail, found.facts) == (
            "balance_too_low",
            "top up",
            {"limit": 5},
        )
    assert store.settings(db) == {}


@pytest.mark.parametrize("refusal", [Busy("mark_held"), Unavailable("list_stale")])
def test_what_is_not_decided_yet_is_not_kept(refusal: Refusal) -> None:
    db = connection()
    assert ask(db, ASKED, refusal) is refusal
    assert ask(db, ASKED, b"now") == b"now"


def test_another_request_under_the_same_key_is_reused_and_the_first_stays() -> None:
    db = connection()
    ask(db, ASKED, b"first")
    other = msgspec.structs.replace(ASKED, digest=b"e")
    assert isinstance(ask(db, other, b"second"), Reused)
    assert ask(db, ASKED, b"third") == b"first"


def test_scopes_and_keys_are_apart() -> None:
    db = connection()
    ask(db, ASKED, b"first")
    assert answers.find(db, VAULT, msgspec.structs.replace(ASKED, key="k2")) is None
    assert answers.find(db, VAULT, msgspec.structs.replace(ASKED, scope="bob")) is None


def test_dropped_answers_are_gone() -> None:
    db = connection()
    answers.keep(db, VAULT, ASKED, b"x", 1)
    answers.drop(db, ASKED.scope, [ASKED.key])
    assert answers.find(db, VAULT, ASKED) is None


def test_nothing_is_readable_on_the_disk() -> None:
    db = connection()
    answers.keep(db, VAULT, ASKED, b"ft_secret", 1)
    (row,) = db.execute("SELECT CAST(answer AS BLOB) FROM answers").fetchall()
    assert b"ft_secret" not in row[0]  # type: ignore[operator]  # - the cast makes it bytes


@pytest.mark.parametrize("kind", classes())
def test_every_refusal_survives_packing(kind: type[Refusal]) -> None:
    again = answers.unpack(answers.pack(kind("code", "detail", lastIndex=4)))
    assert (type(again), again.code, again.facts) == (kind, "code", {"lastIndex": 4})


def test_replayed_is_final() -> None:
    assert answers.is_final(Replayed("x"))
