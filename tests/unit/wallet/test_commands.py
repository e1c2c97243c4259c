import hashlib
from pathlib import Path

from farthing.wallet.commands import Broker, Request, Response
from tests.unit.wallet.world import World, purchase_on


def test_a_header_set_again_replaces_the_old_one() -> None:
    request = Request(method="GET", url="https://a/", headers=(("AUTHORIZATION", "x"), ("A", "1")))
    changed = request.with_header("Authorization", "y")
    assert changed.headers == (("A", "1"), ("Authorization", "y"))


def test_a_request_without_a_body_has_no_digest() -> None:
    assert Request(method="GET", url="https://a/").body_digest == b""
    body = Request(method="POST", url="https://a/", body=b"x").body_digest
    assert body == hashlib.sha256(b"x").digest()


def test_every_value_of_a_header_is_read() -> None:
    answer = Response(
        status=402, url="https://a/", headers=(("www-authenticate", "a"), ("www-authenticate", "b"))
    )
    assert answer.values("www-authenticate") == ("a", "b")
    assert answer.value("www-authenticate") == "a"
    assert answer.value("absent") == ""


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    world = World(tmp_path)
    made = purchase_on(world, "/a?token=canary")
    request = Request(method="GET", url=made.url, headers=(made.credential,))
    broker = Broker(id="b", url="https://b", account="alice", token="canary", currency="eur")
    shown = repr((made, request, broker, made.paid.spent, world.answer))
    assert "canary" not in shown
    assert made.credential[1] not in shown
