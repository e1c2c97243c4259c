"""A simulated payer is a wallet: it repeats, recovers and gives back as the real one does."""

import pytest

from farthing.lab.world import World
from farthing.wallet.settling import Verdict


def pages(world: World, vendor_id: str) -> int:
    """How many pages were sold: second halves of payments cost nothing."""
    return sum(micro > 0 for micro in world.ground.checks.sold[vendor_id].values())


def test_what_a_payer_holds_can_be_given_back() -> None:
    with World(2, ["millicent"]) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        world.run(payer.buy(f"{vendor.url}{vendor.pages[-1].path}/1"))
        held = payer.held()
        assert held
        for one in held:
            assert world.run(payer.give_back(one))
        assert not payer.held()


def test_pages_are_bought_in_private_where_the_vendor_lets_them() -> None:
    with World(2, ["millicent"]) as world:
        payer = world.payers[0]
        vendor = next(one for one in world.vendors if "private" in str(one.options))
        url = f"{vendor.url}{vendor.pages[-1].path}/1"
        assert world.run(payer.buy(url, private=True)).verdict is Verdict.DONE


def test_an_answer_that_is_lost_is_paid_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with World(2) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        url = f"{vendor.url}{vendor.pages[-1].path}"
        world.run(payer.buy(f"{url}/0"))
        before = pages(world, vendor.name)
        lost = iter([0.0, 0.0, 0.0, None])  # the fourth message is the page with its receipt
        faults = world.ground.faults
        travel_s = faults.travel_s

        def lose_one(source: str, target: str) -> float | None:
            if payer.name in {source, target}:
                return next(lost, 0.0)
            return travel_s(source, target)

        monkeypatch.setattr(faults, "travel_s", lose_one)
        assert world.run(payer.buy(f"{url}/1")).verdict is Verdict.DONE
        assert pages(world, vendor.name) == before + 1


def test_a_wallet_has_the_token_that_it_is_given() -> None:
    with World(2, ["millicent"]) as world:
        payer = world.payers[0]
        payer.give_token("t0k3n")
        payer.kill("to look at its file")
        payer.start()
        assert payer.book is not None
        (account,) = [one for one in payer.book.brokers().values() if one.account]
        assert account.token == "t0k3n"
