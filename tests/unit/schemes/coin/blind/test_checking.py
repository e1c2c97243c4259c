import pytest

from farthing import codec
from farthing.errors import Expired, Forged, Malformed, Mismatch, OutOfRange, Replayed, Revoked
from farthing.marks import Memory
from farthing.schemes.coin.blind.checking import (
    Opened,
    Shown,
    Signed,
    gone_keys,
    is_gone,
    key_of,
    keys_of,
    records_of,
    unspent,
    worth_micro,
)
from farthing.schemes.coin.blind.messages import PAYMENTS
from farthing.schemes.coin.ecash.coin import read_output
from farthing.schemes.coin.epochs import epoch_at
from farthing.schemes.contract import Scheme
from tests.kit.blind import PRICE_MICRO, SCHEMES, Scene, broker_keys
from tests.kit.canaries import draw
from tests.kit.parties import NOW_S, Broker, Ring, on_the_wire

END_S = epoch_at(NOW_S).not_after_s


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


def shown(scene: Scene) -> tuple[tuple[str, ...], bytes]:
    paid, _ = scene.pay(scene.withdraw())
    payment = PAYMENTS.convert(on_the_wire(paid.payload))
    return payment.box, payment.header(scene.coinage.name)


def opened(scene: Scene, now_s: int = NOW_S, *, pays: bool = True) -> Opened:
    texts, header = shown(scene)
    over_micro = PRICE_MICRO if pays else None
    return scene.mint.opened(texts, header, now_s, over_micro=over_micro)


def test_what_is_over_is_the_price(scene: Scene) -> None:
    found = opened(scene)
    assert found.over_micro == PRICE_MICRO
    assert worth_micro(found.coins) - worth_micro(found.outputs) == PRICE_MICRO


def test_an_answer_is_there_where_something_was_to_be_signed(scene: Scene) -> None:
    assert opened(scene).answer is None
    pocket = scene.withdraw(4)  # 2, 1, 1
    left = scene.spend(scene.spend(pocket, 1) or pocket, 1)
    assert left is not None
    paid, _ = scene.pay(left, 1)
    payment = PAYMENTS.convert(on_the_wire(paid.payload))
    header = payment.header(scene.coinage.name)
    found = scene.mint.opened(payment.box, header, NOW_S, over_micro=1)
    assert found.answer is not None


def test_a_box_for_something_else_is_a_mismatch(scene: Scene) -> None:
    texts, _ = shown(scene)
    with pytest.raises(Mismatch, match="box_for_something_else"):
        scene.mint.opened(texts, bytes(32), NOW_S, over_micro=PRICE_MICRO)


def test_coins_that_pay_no_more_are_exchanged_still() -> None:
    scene = Scene()
    late_s = END_S + 1_000
    with pytest.raises(Expired, match="coin_expired"):
        opened(scene, late_s)
    assert opened(scene, late_s, pays=False).over_micro == PRICE_MICRO


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.traits.name)
def test_another_brokers_box_is_forged(scheme: Scheme) -> None:
    scene = Scene(scheme)
    texts, header = shown(scene)
    scene.broker = Broker(scheme, Ring(*broker_keys(scheme, "other")), scene.clock)
    with pytest.raises(Forged, match="seal_broken"):
        scene.mint.opened(texts, header, NOW_S, over_micro=PRICE_MICRO)


def test_nothing_of_a_signature_is_shown(scene: Scene) -> None:
    found = opened(scene)
    assert "signature" not in repr(found)
    assert found.answer_key.hex() not in repr(found)


def test_each_output_is_signed_below_its_modulus_alone() -> None:
    scene = Scene()
    raw = codec.unb64u(scene.asked(3).message["outputs"][0])
    (one,) = scene.mint.signed((raw,), NOW_S)
    assert one.micro == read_output(raw).ref.micro
    with pytest.raises(OutOfRange, match="blinded_out_of_range"):
        scene.mint.signed((raw[:-256] + b"\xff" * 256,), NOW_S)


def test_each_output_is_signed_once(scene: Scene) -> None:
    (text, *_) = scene.asked(3).message["outputs"]
    with pytest.raises(Malformed, match=r"output_twice|outputs_repeated"):
        scene.broker.run("issue", {"outputs": [text, text]}, scene.account)


COIN = Shown(pool="eur", micro=1, mark=draw("coin", 33), period=0, until_s=9)
OUTPUT = Signed(pool="eur", micro=1, mark=draw("out", 33), signature=b"s", value=b"v", until_s=9)


def test_coins_and_outputs_leave_a_record_each_which_is_seen_the_next_time() -> None:
    keys = keys_of("cashu", [COIN], [OUTPUT])
    records = records_of("cashu", Memory(), [COIN], [OUTPUT])
    assert {record.key for record in records} < set(keys)
    assert [record.once for record in records] == [True, False]
    for record, code in zip(records, ("coin_spent", "output_signed"), strict=True):
        with pytest.raises(Replayed, match=code):
            records_of("cashu", Memory(records={record.key: b""}), [COIN], [OUTPUT])
    (revoked,) = set(keys) - {record.key for record in records}
    assert revoked.startswith(key_of("cashu", "revoked", b""))
    with pytest.raises(Revoked, match="coin_revoked"):
        records_of("cashu", Memory(records={revoked: b""}), [COIN], [])


def test_a_coin_is_gone_once_it_is_spent_or_blocked() -> None:
    assert not is_gone("cashu", Memory(), COIN.mark)
    for key in gone_keys("cashu", COIN.mark):
        memory = Memory(records={key: b""})
        assert is_gone("cashu", memory, COIN.mark)
        assert unspent("cashu", memory, [COIN]) == ()
    assert unspent("cashu", Memory(), [COIN]) == (COIN,)
