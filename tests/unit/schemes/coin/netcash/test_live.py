"""The list of coins that are out."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Replayed
from farthing.marks import Memory, Put
from farthing.schemes.coin.netcash import live
from farthing.schemes.coin.netcash.coin import COIN_KEY, DAY_S, DISPUTE_S, GRACE_S, Coin
from tests.kit.netcash import Scene, coin_of, signing_key


def listed(coin: Coin) -> Memory:
    put = live.listed(coin)
    return Memory(records={put.key: put.value})


def test_a_coin_is_listed_under_the_day_on_which_it_ends_and_its_serial() -> None:
    coin = coin_of(Scene().bound())
    key = f"netcash/live/{coin.expires_at_s // DAY_S}/{coin.serial}".encode()
    assert live.listed(coin).key == live.live_key(coin) == key


def test_a_coin_that_is_taken_leaves_the_list_and_it_is_written_by_whom() -> None:
    coin = coin_of(Scene().bound())
    gone, put = live.taken(coin, listed(coin), "news", 7)
    assert isinstance(put, Put)
    assert gone.key == live.live_key(coin)
    assert put.key == live.taken_key(coin)
    assert live.TAKEN.read(put.value) == live.Taken(at_s=7, by="news")
    assert put.until_s == coin.expires_at_s + GRACE_S + DISPUTE_S
    with pytest.raises(Replayed, match="coin_already_taken"):
        live.taken(coin, Memory(records={put.key: put.value}), "daily", 8)


def test_who_has_the_brokers_key_makes_no_coin_that_is_on_the_list() -> None:
    coin, key = coin_of(Scene().bound()), signing_key(COIN_KEY)
    for name, value in (
        ("serial", codec.b64u(bytes(16))),
        ("vendor", "daily"),
        ("worth_micro", 10**6),
        ("vendor_until_s", coin.vendor_until_s + 1),
    ):
        bare = msgspec.structs.replace(coin, **{name: value})
        sig = codec.b64u(signing.sign(key.secret, bare.signed()))
        forged = msgspec.structs.replace(bare, sig=sig)
        with pytest.raises(Forged, match="coin_not_live"):
            live.require_live(forged, listed(coin))
    live.require_live(coin, listed(coin))


def test_what_nobody_took_is_breakage() -> None:
    coin = coin_of(Scene().bound())
    put = live.listed(coin)
    applied = live.lapsed(put.key, put.value)
    (flow,) = applied.flows
    assert (flow.source, flow.target, flow.amount_micro) == (live.OUT, live.BREAKAGE, 200)
    assert [record.key for record in applied.records] == [put.key]
    at_s, key = live.ends(coin)
    assert (at_s, key) == (coin.expires_at_s + GRACE_S + 1, put.key)
