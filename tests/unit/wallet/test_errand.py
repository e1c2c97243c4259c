from pathlib import Path

import msgspec
import pytest

from farthing import ids
from farthing.errors import Broken, Denied, Forged, Overlimit, Unavailable, Unfunded
from farthing.schemes.contract import Asked, At
from farthing.schemes.mac.millicent.purse import MillicentPurse
from farthing.wallet.book import Book
from farthing.wallet.commands import Answered, Ask, AskMint, Failed, FinishAsk, OpenAsk, Refused
from farthing.wallet.errand import ID_BYTES, MESSAGES_MAX, SENDS_MAX, give_back
from farthing.wallet.flow import recover
from farthing.wallet.policy import Limits
from farthing.wallet.settling import Verdict
from tests.unit.wallet.farside import Bank
from tests.unit.wallet.gate_town import town
from tests.unit.wallet.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_ask_is_written_before_it_is_sent(world: World) -> None:
    world.fetch("/a")
    assert world.said.index("OpenAsk") < world.said.index("AskMint")


def test_a_busy_mint_is_asked_again_with_the_same_key(world: World) -> None:
    world.bank.faults = ["reply_lost", "unavailable", ""]
    keys: list[str] = []
    answer = world.answer

    def spy(command: object) -> object:
        if isinstance(command, AskMint):
            keys.append(command.ask.id)
        return answer(command)  # type: ignore[arg-type]  # passes on what it is given

    world.answer = spy  # type: ignore[method-assign]  # notes the keys
    world.fetch("/a")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert world.bank.sold_micro == 2_000


def test_a_mint_is_not_asked_for_ever(world: World) -> None:
    world.bank.faults = ["lost"] * 10
    with pytest.raises(Unavailable, match="mint_unreachable"):
        world.fetch("/a")
    assert world.said.count("AskMint") == SENDS_MAX


def test_a_refused_ask_is_closed(world: World) -> None:
    world.bank.balance_micro = 0
    with pytest.raises(Unfunded):
        world.fetch("/a")
    assert world.said.count("AskMint") == 2
    world.crash()
    assert world.run(recover(world.guide())).asks_open == 0


def test_credit_that_bears_a_price_just_once_is_asked_for_in_the_end(tmp_path: Path) -> None:
    world = town(tmp_path / "payword", "payword")
    world.site.open("payword", price_micro=900_000, more="[payword]\nunit_micro = 1000\n")
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=10**6, per_day_micro=10**6)
    assert world.fetch("/a").verdict is Verdict.DONE
    asked = [ask.asked.message["limitMicro"] for ask in world.bank.asked]
    assert asked == [10 * 8 * 900_000, 8 * 900_000, 900_000]
    assert world.site.earned_micro() == 900_000


def test_a_refusal_says_why_not_even_the_least_is_given(tmp_path: Path) -> None:
    world = town(tmp_path / "payword", "payword")
    world.site.open("payword", price_micro=900_000, more="[payword]\nunit_micro = 1000\n")
    world.limits = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
    world.fetch("/a")
    with pytest.raises(Overlimit, match="credit_all_certified"):
        world.fetch("/b")


def test_a_wrong_token_leaves_the_ask_open(world: World) -> None:
    handle = world.bank.handle
    denied = Refused(refusal=Denied("token_unknown"), retry="later")
    world.bank.handle = lambda ask: denied
    with pytest.raises(Denied, match="token_unknown"):
        world.fetch("/a")
    world.crash()
    world.bank.handle = handle
    assert world.run(recover(world.guide())).asks_finished == 1
    assert world.held_micro("ready") == 2_000


def test_scrip_that_was_not_ordered_is_not_kept(world: World) -> None:
    issue = world.bank.issue

    def cheat(key: str, message: object) -> object:
        return issue(key, {"valueMicro": 1_999})

    world.bank.issue = cheat
    with pytest.raises(Forged, match="scrip_not_as_ordered"):
        world.fetch("/a")
    assert world.held_micro() == 0


def loaded(world: World) -> World:
    world.fetch("/a")
    world.said.clear()
    return world


class Mints:
    """The vendor's mint burns, the broker's credits; either may lose its answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.burned: dict[str, str] = {}
        self.credited: set[str] = set()

    def handle(self, ask: Ask) -> Answered | Refused | Failed:
        if ask.asked.operation == "issue":
            return Bank.handle(self.world.bank, ask)
        if ask.asked.to == "vendor":
            scrip = ask.asked.message["scrip"]
            self.burned[scrip["serial"]] = ask.id
            names = ("expiresS", "payer", "serial", "valueMicro", "vendor")
            return Answered(value={name: scrip[name] for name in names} | {"mac": "0" * 32})
        self.credited.add(ask.asked.message["serial"])
        return Answered(value={"creditedMicro": 1_800})


def test_scrip_is_burned_at_its_vendor_and_then_credited(world: World) -> None:
    loaded(world)
    mints = Mints(world)
    world.bank.handle = mints.handle
    (held,) = Book(world.store.file).held()
    done = world.run(give_back(world.guide(), held.broker_id, held.site, held.instrument))
    assert done
    assert set(mints.burned) == mints.credited
    assert world.held_micro() == 0
    assert world.said.count("AskMint") == 2


def test_a_give_back_killed_at_any_command_is_finished_by_recovery(tmp_path: Path) -> None:
    for count in range(1, 30):
        (tmp_path / str(count)).mkdir()
        world = loaded(World(tmp_path / str(count)))
        mints = Mints(world)
        world.bank.handle = mints.handle
        (held,) = Book(world.store.file).held()
        flow = give_back(world.guide(), held.broker_id, held.site, held.instrument)
        if not world.run_until(flow, count):
            return
        world.crash()
        world.run(recover(world.guide()))
        left_micro = world.held_micro("ready")
        assert (left_micro, len(mints.credited)) in {(1_800, 0), (0, 1)}, count
        assert world.held_micro("offered") == 0, count
    pytest.fail("the errand does not end")


def test_an_instrument_being_spent_is_not_given_back(world: World) -> None:
    loaded(world)
    (held,) = Book(world.store.file).held()
    with world.store.file.write() as db:
        db.execute("UPDATE instruments SET state='offered', holder='w_1' WHERE state='ready'")
    done = world.run(give_back(world.guide(), held.broker_id, held.site, held.instrument))
    assert not done
    assert "AskMint" not in world.said


def test_what_a_wallet_without_an_account_got_is_not_given_back(world: World) -> None:
    loaded(world)
    (held,) = Book(world.store.file).held()
    guide = world.guide()
    account = msgspec.structs.replace(guide.brokers[held.broker_id], account="", token="")
    bare = msgspec.structs.replace(guide, brokers={held.broker_id: account})
    with pytest.raises(Unfunded, match="broker_without_account"):
        world.run(give_back(bare, held.broker_id, held.site, held.instrument))
    assert "AskMint" not in world.said


def test_an_errand_of_endless_messages_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(world)
    again = Asked(operation="take_back", message={})
    monkeypatch.setattr(MillicentPurse, "receive", lambda *_: again)
    world.bank.handle = lambda ask: Answered(value={})
    (held,) = Book(world.store.file).held()
    with pytest.raises(Broken, match="errand_too_long"):
        world.run(give_back(world.guide(), held.broker_id, held.site, held.instrument))
    assert world.said.count("AskMint") == MESSAGES_MAX


def test_the_next_message_is_sent_by_whoever_has_written_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that heard the same answer: one's message is in the file, the other's nowhere."""
    loaded(world)
    again = Asked(operation="take_back", message={})
    monkeypatch.setattr(MillicentPurse, "receive", lambda *_: again)
    answer = world.answer

    def late(command: object) -> object:
        said = answer(command)  # type: ignore[arg-type]  # passes on what it is given
        return False if isinstance(command, FinishAsk) else said

    world.answer = late  # type: ignore[method-assign]  # somebody was quicker
    world.bank.handle = lambda ask: Answered(value={})
    (held,) = Book(world.store.file).held()
    given = world.run(give_back(world.guide(), held.broker_id, held.site, held.instrument))
    assert given == {}
    assert world.said.count("AskMint") == 1


def test_commands_of_an_errand_name_their_ask(world: World) -> None:
    asks: list[Ask] = []
    answer = world.answer

    def spy(command: object) -> object:
        if isinstance(command, OpenAsk | FinishAsk | AskMint):
            asks.append(command.ask)
        return answer(command)  # type: ignore[arg-type]  # passes on what it is given

    world.answer = spy  # type: ignore[method-assign]  # notes the asks
    world.fetch("/a")
    assert len(asks) == 3
    assert len({ask.id for ask in asks}) == 1


def test_the_name_of_a_message_tells_nothing_of_the_entropy_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box's key would be half known to whoever sees its Idempotency-Key."""
    loaded(world)
    secrets: list[bytes] = []
    names: list[str] = []

    def receive(_: object, __: Asked, ___: object, at: At) -> Asked:
        secrets.append(at.entropy)
        return Asked(operation="take_back", message={})

    def handle(ask: Ask) -> Answered:
        names.append(ask.id)
        return Answered(value={})

    monkeypatch.setattr(MillicentPurse, "receive", receive)
    world.bank.handle = handle
    (held,) = Book(world.store.file).held()
    with pytest.raises(Broken):
        world.run(give_back(world.guide(), held.broker_id, held.site, held.instrument))
    assert not {ids.new_id("ask", secret[:ID_BYTES]) for secret in secrets} & set(names)
