"""A page that was paid for, held against its vendor's word."""

from pathlib import Path

import msgspec
import pytest

from farthing.errors import Forged
from farthing.wallet.commands import Response
from farthing.wallet.reply import checking
from tests.unit.wallet.farside import PAGE
from tests.unit.wallet.world import World


def without(answer: Response, name: str) -> Response:
    kept = tuple(pair for pair in answer.headers if pair[0].lower() != name)
    return msgspec.structs.replace(answer, headers=kept)


def test_a_page_is_held_against_the_vendors_word(tmp_path: Path) -> None:
    world = World(tmp_path)
    fetched = world.fetch("/a")
    answer, made = fetched.answer, fetched.purchase
    assert isinstance(answer, Response)
    assert made is not None
    check = checking(world.guide(), made, answer)
    assert check is not None
    check.add(PAGE)
    check.require()
    check.add(b"!")
    with pytest.raises(Forged, match="reply_altered"):
        check.require()


@pytest.mark.parametrize("name", ["farthing-reply", "payment-receipt"])
def test_a_page_without_the_vendors_word_is_refused(tmp_path: Path, name: str) -> None:
    world = World(tmp_path)
    fetched = world.fetch("/a")
    assert isinstance(fetched.answer, Response)
    assert fetched.purchase is not None
    with pytest.raises(Forged, match="reply_unsigned"):
        checking(world.guide(), fetched.purchase, without(fetched.answer, name))


def test_what_is_no_page_is_not_signed(tmp_path: Path) -> None:
    world = World(tmp_path)
    made = world.fetch("/a").purchase
    assert made is not None
    for status in (302, 403, 502):
        answer = Response(status=status, url="https://news.example/a")
        assert checking(world.guide(), made, answer) is None
