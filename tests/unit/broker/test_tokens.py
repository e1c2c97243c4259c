from pathlib import Path

import pytest

from farthing.broker.people import hash_of
from farthing.broker.tokens import renew_token
from farthing.errors import Denied, OutOfRange, Unknown
from tests.unit.broker.desk import Desk, with_desk


def renew(desk: Desk, name: str, scope: str, token: str, *, only: bool = False) -> None:
    desk.committer.do_now(lambda db: renew_token(db, name, scope, hash_of(token), only=only))


def test_a_new_token_has_the_scopes_of_the_one_it_stands_for(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        old = await desk.open("v7", role="vendor")
        caller = desk.engine.people.caller
        renew(desk, "v7", "redeem", "ft_new")
        assert caller("ft_new") == caller(old["redeem"])
        renew(desk, "v7", "redeem", "ft_newer", only=True)
        for gone in ("ft_new", old["redeem"]):
            with pytest.raises(Denied):
                caller(gone)
        assert caller("ft_newer").scopes == {"redeem"}
        assert caller(old["pay"]).scopes == {"pay"}, "the other scope's token goes on"

    with_desk(tmp_path, talk)


def test_nobody_gets_a_scope_that_its_role_has_not(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        for scope in ("redeem", "admin", "metrics", ""):
            with pytest.raises(OutOfRange, match="scope_unknown"):
                renew(desk, "alice", scope, "ft_x")
        with pytest.raises(Unknown):
            renew(desk, "nobody", "pay", "ft_x")

    with_desk(tmp_path, talk)
