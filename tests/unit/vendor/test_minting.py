"""What a vendor mints ahead and rotates: series rise, revoked keys are gone."""

import asyncio
from pathlib import Path

import pytest

from farthing.errors import Misconfigured, Unknown
from farthing.marks import LeaseSerials
from farthing.schemes.contract import Key
from farthing.schemes.mac.millicent import scrip
from farthing.schemes.mac.millicent.vendor_keys import VendorKeys, require_certified
from farthing.schemes.mac.millicent.warehouse import BATCHES
from farthing.stores.keys import KeyRing
from farthing.stores.memory import MemoryMarks
from farthing.vendor import minting

NOW_S = 1_795_176_000


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    made = KeyRing.create(tmp_path / "ring")
    made.add(Key(id="0000000001", purpose=scrip.LICENSED_SERIES, secret=b"1" * 32))
    made.add(Key(id="0000000002", purpose=scrip.OWN_SERIES, secret=b"2" * 32))
    made.add(Key(id="news", purpose=scrip.BURN_KEY, secret=b"3" * 32))
    return made


def wanted(count: int = 3) -> minting.Wanted:
    return minting.Wanted(count=count, value_micro=2_000, discount_e4=1_000)


def entropy(size_bytes: int, start: int = 0) -> bytes:
    return bytes((start + number) % 251 for number in range(size_bytes))


def test_series_rise_over_all_purposes_and_stock_has_the_top_bit(ring: KeyRing) -> None:
    change = minting.rotate(ring, scrip.OWN_SERIES, entropy(32))
    stock = minting.rotate(ring, scrip.STOCK_SERIES, entropy(32, 1))
    again = minting.rotate(ring, scrip.STOCK_SERIES, entropy(32, 2))
    assert (change.id, stock.id, again.id) == ("0000000003", "8000000001", "8000000002")
    assert ring.current(scrip.OWN_SERIES).id == "0000000003"
    assert ring.find(scrip.OWN_SERIES, "0000000002") is not None


def test_a_series_that_is_nearly_used_up_is_followed_by_another(ring: KeyRing) -> None:
    """Else payments with change fail from one second to the next."""
    store = MemoryMarks()

    def renewed() -> list[str]:
        return [key.id for key in asyncio.run(minting.renew(ring, store, entropy))]

    def use(count: int) -> None:
        series = minting.series_name(ring.current(scrip.OWN_SERIES))
        store.do_now(LeaseSerials(series=series, count=count))

    assert renewed() == []
    use(minting.RENEWED_FROM - 1)
    assert renewed() == []
    use(1)
    assert renewed() == ["0000000003"]
    assert ring.current(scrip.OWN_SERIES).id == "0000000003"
    assert renewed() == []
    minting.stock_series(ring, entropy(32, 1))
    assert renewed() == []
    assert ring.find(scrip.OWN_SERIES, "0000000002") is not None, "what it made stays good"


def test_a_batch_is_one_that_the_broker_takes(ring: KeyRing) -> None:
    lease = minting.lease_for(ring, wanted(), entropy(32, 7))
    assert (lease.series, lease.count) == ("millicent/8000000001", 3)
    message = minting.batch(
        ring,
        wanted(),
        vendor_id="news",
        currency="eur",
        first_index=5,
        entropy=entropy(32 + 3 * minting.PAYER_BYTES, 9),
        now_s=NOW_S,
    )
    batch = BATCHES.convert(message)
    assert [piece.serial for piece in batch.pieces] == [
        scrip.serial_of(0x8000000001, index) for index in (5, 6, 7)
    ]
    keys = VendorKeys(ring)
    for piece in batch.pieces:
        require_certified(keys, piece)
        keys.secret("news", piece.payer)
    assert len({piece.payer for piece in batch.pieces}) == 3


def test_the_payer_range_of_stock_is_made_once(ring: KeyRing) -> None:
    first = minting.range_key(ring, entropy(32, 1))
    assert minting.range_key(ring, entropy(32, 2)) == first


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_its_limits(count: int) -> None:
    with pytest.raises(Misconfigured, match="batch_size_out_of_range"):
        wanted(count)


def test_a_revoked_series_is_gone_and_its_number_is_used_again_by_none(ring: KeyRing) -> None:
    minting.rotate(ring, scrip.OWN_SERIES, entropy(32))
    minting.revoke(ring, scrip.OWN_SERIES, "0000000003")
    assert ring.find(scrip.OWN_SERIES, "0000000003") is None
    with pytest.raises(Unknown, match="key_unknown"):
        minting.revoke(ring, scrip.OWN_SERIES, "0000000003")
    assert minting.rotate(ring, scrip.OWN_SERIES, entropy(32, 3)).id == "0000000004"


def test_a_name_that_is_no_keys_is_said_with_the_names_that_are() -> None:
    assert minting.purpose_of("change") == scrip.OWN_SERIES
    with pytest.raises(Unknown, match="challenge"):
        minting.purpose_of("nonsense")
