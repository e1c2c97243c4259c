import pytest

from farthing.errors import Malformed
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.keyset import Ref
from tests.kit.canaries import draw

COIN = coins.Coin(
    ref=Ref(200, 3, draw("id", 16)),
    serial=draw("serial", 32),
    prefix=draw("prefix", 32),
    signature=draw("sig", 256),
)
OUTPUT = coins.Output(ref=Ref(300, 4, draw("oid", 16)), blinded=draw("z", 256))


def test_coins_and_outputs_come_out_as_they_went_in() -> None:
    assert coins.read_coin(COIN.raw) == COIN
    assert coins.read_output(OUTPUT.raw) == OUTPUT


def test_another_length_is_malformed() -> None:
    for raw in (b"", COIN.raw[:-1], COIN.raw + b"\0"):
        with pytest.raises(Malformed, match="coin_malformed"):
            coins.read_coin(raw)
    for raw in (b"", OUTPUT.raw[:-1], OUTPUT.raw + b"\0"):
        with pytest.raises(Malformed, match="output_malformed"):
            coins.read_output(raw)


def test_nothing_that_pays_is_shown() -> None:
    assert repr(COIN) == "Coin(8)"
