import asyncio
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mpp import Challenge, Credential
from mpp.runtime import ClientMethod, CredentialParams

from farthing.errors import Malformed, Overlimit, Unsupported
from farthing.plugins.mpp import FarthingMethods, method
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.mac.millicent import MILLICENT
from farthing.wallet.policy import Limits
from tests.unit.wallet.town import Town, town_in


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with town_in(tmp_path) as made:
        yield made


def challenge(town: Town, path: str = "/a") -> Challenge:
    return Challenge.from_www_authenticate(town.unpaid(path).headers["www-authenticate"])


def credential(paying: ClientMethod, asked: Challenge) -> str:
    """What the client sends: it reads the plug-in's header and writes it anew."""
    made = asyncio.run(made_by(paying, asked))
    return Credential.from_authorization(made).to_authorization()


async def made_by(paying: ClientMethod, asked: Challenge) -> str:
    return await paying.create_credential(CredentialParams(challenge=asked))


def buy(town: Town, paying: ClientMethod, path: str = "/a") -> int:
    return town.pay(path, "authorization", credential(paying, challenge(town, path)))


def test_payment_is_in_the_wallet_before_it_is_sent_and_buys_the_page(town: Town) -> None:
    made = credential(method(town.wallet, "millicent"), challenge(town))
    assert town.states() == ["sent"]
    assert town.pay("/a", "authorization", made) == 200
    assert town.site.charges == [("/a", 200)]


def test_change_of_one_payment_pays_for_the_next(town: Town) -> None:
    farthing = FarthingMethods(town.wallet)
    [paying] = farthing.methods
    assert [buy(town, paying, path) for path in ("/a", "/b", "/c")] == [200] * 3
    assert town.states() == ["done", "done", "sent"]
    assert asyncio.run(farthing.settle()) == 0
    assert town.bank.sold_micro == 2_000
    [holding] = town.wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("ready", 1_400)


def test_leaving_the_block_settles(town: Town) -> None:
    async def buy_one() -> None:
        async with FarthingMethods(town.wallet) as farthing:
            made = await made_by(farthing.methods[0], asked)
            town.pay("/a", "authorization", made)

    asked = challenge(town)
    asyncio.run(buy_one())
    assert town.states() == ["done"]


def test_undecided_payment_goes_out_again_with_its_own_challenge(town: Town) -> None:
    paying = method(town.wallet, "millicent")
    first = credential(paying, challenge(town))
    again = credential(paying, challenge(town))
    assert again == first
    assert town.states() == ["undecided"]
    assert town.pay("/a", "authorization", again) == 200


def test_payments_are_made_in_a_thread(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    do = town.wallet._store.do

    def noted(command: object) -> object:
        threads.append(threading.current_thread())
        return do(command)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(town.wallet._store, "do", noted)
    buy(town, method(town.wallet, "millicent"))
    assert threads
    assert threading.main_thread() not in threads


def test_payment_above_a_budget_is_refused_and_nothing_is_written(town: Town) -> None:
    town.wallet.set_limits(Limits(per_payment_micro=100))
    with pytest.raises(Overlimit, match="above_budget_per_payment"):
        credential(method(town.wallet, "millicent"), challenge(town))
    assert town.wallet.history() == ()


def test_wallet_has_a_method_for_each_scheme_it_spends(tmp_path: Path) -> None:
    with town_in(tmp_path, schemes={"payword": PAYWORD, "millicent": MILLICENT}) as town:
        found = FarthingMethods(town.wallet).methods
        assert [each.key for each in found] == ["payword/charge", "millicent/charge"]


def test_method_handles_challenges_of_its_scheme_and_no_other(town: Town) -> None:
    asked = challenge(town)
    broken = Challenge(id="x", method="millicent", intent="charge", request={})
    for name, handles in (("millicent", True), ("payword", False)):
        predicate = method(town.wallet, name).can_handle_challenge
        assert predicate is not None
        assert predicate(asked) is handles
        assert not predicate(broken)
    with pytest.raises(Malformed, match="challenge_malformed"):
        credential(method(town.wallet, "millicent"), broken)


def test_method_of_an_unknown_scheme_is_refused(town: Town) -> None:
    with pytest.raises(Unsupported):
        method(town.wallet, "dogecoin")


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpp", None)
    monkeypatch.delitem(sys.modules, "farthing.plugins.mpp")
    with pytest.raises(ImportError, match=r"pip install farthing\[mpp\]"):
        importlib.import_module("farthing.plugins.mpp")
