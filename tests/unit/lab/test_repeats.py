"""An answer that changes is found, unless nothing was decided before."""

import itertools
from typing import Any

import pytest

from farthing.lab.network import Message, Reply
from farthing.lab.repeats import SAME_S, Repeats
from farthing.lab.world import World
from tests.kit.planted import forgotten_idempotency_key, receipt_made_anew

MINE = ((b"authorization", b"Bearer ann"), (b"idempotency-key", b"k1"))
PAID = ((b"authorization", b"Payment abc"),)


def order(path: str, *, headers: Any = MINE, body: bytes = b"{}") -> Message:
    url = f"https://broker.example{path}"
    return Message(method="POST", url=url, headers=headers, body=body)


def page(headers: Any = PAID) -> Message:
    return Message(method="GET", url="https://news.example/a", headers=headers)


def found(target: str, *answered: tuple[Message, Reply], each_s: int = 1) -> list[str]:
    """`each_s` passes between two answers."""
    findings: list[str] = []
    times = itertools.count(0, each_s)
    repeats = Repeats(findings.append, ["broker"], lambda: next(times))
    for message, reply in answered:
        repeats.answered("ann", target, message, reply)
    return findings


ONE, OTHER = Reply(status=200, body=b"1"), Reply(status=200, body=b"2")
DENIED = Reply(status=403, body=b"1")
BUSY = Reply(status=409, body=b'{"retry":"same"}')
BROKEN = Reply(status=500)


@pytest.mark.parametrize(
    ("count", "answers"),
    [
        (0, [ONE, ONE]),
        (0, [BUSY, BROKEN, ONE, BROKEN, BUSY]),
        (1, [ONE, OTHER]),
        (1, [ONE, DENIED]),
    ],
)
def test_a_broker_gives_its_first_decision_again(count: int, answers: list[Reply]) -> None:
    assert len(found("broker", *((order("/issue/x"), answer) for answer in answers))) == count


def test_a_finding_shows_no_answer_itself() -> None:
    tokens = [Reply(status=200, body=b"token-%d" % number) for number in (1, 2)]
    (finding,) = found("broker", *((order("/issue/x"), token) for token in tokens))
    assert "/issue/x of ann with" in finding
    assert "token" not in finding


@pytest.mark.parametrize(
    "other",
    [
        order("/issue/y"),
        order("/issue/x", body=b"[]"),
        order("/issue/x", headers=(MINE[0], (b"idempotency-key", b"k2"))),
        order("/issue/x", headers=((b"authorization", b"Bearer ben"), MINE[1])),
    ],
)
def test_another_request_may_have_another_answer(other: Message) -> None:
    assert not found("broker", (order("/issue/x"), ONE), (other, OTHER))


def test_a_request_without_a_key_may_be_answered_anew() -> None:
    read = order("/balance", headers=MINE[:1])
    assert not found("broker", (read, ONE), (read, OTHER))


def test_an_answer_is_the_same_for_as_long_as_it_is_kept() -> None:
    asked = order("/issue/x")
    assert found("broker", (asked, ONE), (asked, OTHER), each_s=SAME_S)
    assert not found("broker", (asked, ONE), (asked, OTHER), each_s=SAME_S + 1)
    three = (asked, ONE), (asked, OTHER), (asked, OTHER)
    assert not found("broker", *three, each_s=SAME_S + 1)


def settled(tx: str, more: bytes = b"") -> Reply:
    return Reply(status=200, body=b'{"success":true,"transaction":"%s"%s}' % (tx.encode(), more))


def test_a_settlement_goes_on_and_stays_the_same() -> None:
    held = settled("t1", b',"amount":"40","extra":{"reservation":1}')
    refused = Reply(status=200, body=b'{"success":false}')
    asked = order("/settle")
    done = settled("t1", b',"amount":"20"')
    assert not found("broker", (asked, refused), (asked, held), (asked, done), (asked, done))
    assert found("broker", (asked, held), (asked, settled("t2", b',"extra":{"reservation":2}')))
    assert found("broker", (asked, done), (asked, settled("t1", b',"amount":"40"')))
    assert found("broker", (asked, done), (asked, settled("t2", b',"amount":"20"')))


def given(status: int, receipt: bytes, name: bytes = b"payment-receipt") -> Reply:
    return Reply(status=status, headers=((name, receipt),))


@pytest.mark.parametrize(
    ("count", "answers"),
    [
        (0, [Reply(status=402), given(200, b"r"), given(200, b"r"), given(403, b"r")]),
        (0, [given(403, b"no", b"payment-response"), given(200, b"r", b"payment-response")]),
        (1, [given(200, b"r"), given(200, b"s")]),
        (1, [given(200, b"r"), given(403, b"s")]),
        (1, [given(200, b"r", b"payment-response"), given(200, b"s", b"payment-response")]),
    ],
)
def test_a_gate_gives_its_receipt_again(count: int, answers: list[Reply]) -> None:
    assert len(found("news", *((page(), answer) for answer in answers))) == count
    assert not found("news", *((page(()), answer) for answer in answers))


def test_worlds_read_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that forgets what it has answered, and a gate that signs another receipt."""
    for plant in (forgotten_idempotency_key, receipt_made_anew):
        with monkeypatch.context() as patch, World(4, ["payword"]) as world:
            plant(patch)
            world.ground.network.weather = Twice(world.ground.network.weather)
            vendor, payer = world.vendors[0], world.payers[0]
            for number, sold in enumerate(vendor.pages):
                world.run(payer.buy(f"{vendor.url}{sold.path}/{number}"))
            world.run(world.settle())
            findings = world.ground.checks.findings
            assert [it for it in findings if " answered https://" in it], plant


class Twice:
    """Every request arrives twice."""

    def __init__(self, weather: Any) -> None:
        self.travel_s = weather.travel_s

    def is_repeated(self) -> bool:
        return True


def test_a_header_that_changes_nothing_makes_no_other_request() -> None:
    other = order("/orders", headers=(*MINE, (b"user-agent", b"another")))
    assert len(found("broker", (order("/orders"), ONE), (other, OTHER))) == 1


def test_a_new_answer_after_the_old_one_has_lapsed_stays_as_it_is_too() -> None:
    findings: list[str] = []
    times = iter([0, SAME_S + 1, SAME_S + 2])
    repeats = Repeats(findings.append, ["broker"], lambda: next(times))
    for answer in (ONE, OTHER, ONE):
        repeats.answered("ann", "broker", order("/orders"), answer)
    assert len(findings) == 1
