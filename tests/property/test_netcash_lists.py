"""NetCash in any order of anybody's acts: the list of live coins is what is outstanding, always."""

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from farthing.errors import Refusal
from farthing.schemes.coin.netcash.coin import GRACE_S
from farthing.schemes.contract import Instrument
from tests.kit.netcash import COIN_MICRO, Scene, order, returning, want
from tests.kit.parties import DAY_S, PAYER, VENDOR, payer_account
from tests.kit.turns import SEED

RUNS = 20
STEPS = 40


class Acts:
    """What payers and vendors do, in any order; what is refused changes nothing."""

    def __init__(self, luck: random.Random) -> None:
        self.luck, self.scene = luck, Scene()
        self.bound: list[Instrument] = []

    def buy(self) -> None:
        self.scene.whole = self.scene.buy(self.luck.randint(1, COIN_MICRO))

    def bind(self) -> None:
        if self.scene.whole is not None:
            self.bound.append(self.scene.bound(self.luck.choice((1, 200, 700))))

    def exchange(self) -> None:
        if self.scene.whole is not None:
            worth_micro = self.scene.whole.worth_micro
            self.scene.run("issue", order([want(worth_micro)], self.scene.whole))

    def pay(self) -> None:
        self.scene.pay(self.luck.choice(self.bound))

    def claim(self) -> None:
        for message in self.scene.vendor.claims():
            self.scene.broker.redeem(message)

    def take_back(self) -> None:
        instrument = self.luck.choice(self.bound)
        who = self.luck.choice((PAYER, "eve"))
        message = returning(instrument, signed=who == PAYER)
        self.scene.run("take_back", message, payer_account(who))

    def wait(self) -> None:
        self.scene.pass_time(self.luck.choice((60, 3_600, DAY_S, 7 * DAY_S)))


@pytest.mark.parametrize("run", range(RUNS))
def test_live_coins_are_worth_what_is_outstanding_after_every_act(run: int) -> None:
    acts = Acts(random.Random(f"netcash {SEED} {run}"))
    every: list[Callable[[], None]] = [
        acts.buy, acts.bind, acts.bind, acts.exchange, acts.pay, acts.pay, acts.claim,
        acts.take_back, acts.wait,
    ]  # fmt: skip  # - names only
    for _ in range(STEPS):
        with suppress(Refusal, IndexError):  # refused, or nothing to choose from yet
            acts.luck.choice(every)()
        assert acts.scene.live_micro() == acts.scene.micro("outstanding")
    acts.scene.pass_time(31 * DAY_S + 2 * GRACE_S)
    scene = acts.scene
    assert scene.live_micro() == scene.micro("outstanding") == 0
    earned_micro = scene.micro("vendor", VENDOR) + scene.micro("breakage")
    payers_micro = scene.micro("payer", PAYER) + scene.micro("payer", "eve")
    assert earned_micro == -payers_micro
