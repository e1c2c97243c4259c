from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from farthing.marks import Delete, Memory, Put
from farthing.schemes.coin.epochs import SKEW_S, Epoch
from farthing.schemes.coin.outstanding import Moved, Outstanding, pool_of
from farthing.schemes.contract import End

OUT = Outstanding("ecash")
PAYER, VENDOR = End(kind="payer", id="ann"), End(kind="vendor", id="news")
BY_EPOCH = st.dictionaries(st.integers(1, 4), st.integers(1, 1000), max_size=4)


def pool(epoch: int) -> str:
    return pool_of(epoch, "k-1_")


def memory_of(stands: dict[int, int]) -> Memory:
    return Memory(
        records={OUT.key(pool(epoch)): str(micro).encode() for epoch, micro in stands.items()}
    )


def after(memory: Memory, moved: tuple[Put, ...]) -> dict[bytes, int]:
    found = memory.records | {record.key: record.value for record in moved}
    return {key: int(value) for key, value in found.items()}


def move(memory: Memory, spent: dict[int, int], made: dict[int, int]) -> Moved:
    net = {pool(epoch): made.get(epoch, 0) - spent.get(epoch, 0) for epoch in {**spent, **made}}
    return OUT.move(memory, net, source=PAYER, target=VENDOR)


@given(BY_EPOCH, BY_EPOCH)
def test_flows_and_records_agree_and_money_is_neither_made_nor_lost(
    spent: dict[int, int], made: dict[int, int]
) -> None:
    stands = dict.fromkeys(range(1, 5), 10_000)
    memory = memory_of(stands)
    moved = move(memory, spent, made)
    balances = Counter[str]()
    for flow in moved.flows:
        assert flow.amount_micro > 0
        balances[flow.source.id] -= flow.amount_micro
        balances[flow.target.id] += flow.amount_micro
    found = after(memory, moved.records)
    for epoch in stands:
        change_micro = made.get(epoch, 0) - spent.get(epoch, 0)
        assert found[OUT.key(pool(epoch))] == 10_000 + change_micro
        assert balances[pool(epoch)] == change_micro
    over_micro = sum(spent.values()) - sum(made.values())
    assert balances["news"] - -balances["ann"] == over_micro
    assert not (balances["news"] and balances["ann"])


@given(BY_EPOCH, BY_EPOCH)
def test_what_is_put_back_is_as_it_was(spent: dict[int, int], made: dict[int, int]) -> None:
    stands = dict.fromkeys(range(1, 5), 10_000)
    memory = memory_of(stands)
    moved = move(memory, spent, made)
    between = Memory(records=memory.records | {one.key: one.value for one in moved.records})
    assert after(between, OUT.put_back(between, moved.flows)) == after(memory, ())


def test_the_first_coin_of_an_epoch_sets_the_day_of_its_end() -> None:
    first = move(Memory(), {}, {7: 100})
    ((due_s, key),) = first.due
    assert key == OUT.key(pool(7))
    assert first.records[0].until_s > due_s
    assert due_s > Epoch(7).ends_at_s + SKEW_S, "until then it can be exchanged and given back"
    again = move(Memory(records={key: first.records[0].value}), {}, {7: 50})
    assert again.due == ()
    assert again.records[0].value == b"150"


def test_each_secret_has_an_account_of_its_own() -> None:
    assert len({OUT.key(pool_of(epoch, key)) for epoch in (1, 11) for key in ("a", "1a")}) == 4


def test_what_nobody_brought_back_is_breakage() -> None:
    ended = OUT.lapse(OUT.key(pool(7)), b"150")
    (flow,) = ended.flows
    assert (flow.source.id, flow.target.kind, flow.amount_micro) == (pool(7), "breakage", 150)
    assert ended.records == (Delete(key=OUT.key(pool(7))),)
    assert OUT.lapse(OUT.key(pool(7)), b"0").flows == ()
