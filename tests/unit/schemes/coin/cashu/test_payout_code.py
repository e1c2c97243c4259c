import hashlib

import pytest

from farthing.errors import Unknown
from farthing.schemes.coin.cashu import payout_code
from tests.kit import cashu

KEY = cashu.scalar("payout")
HASH = hashlib.sha256(b"TEST-preimage").digest()
NOW_S = 1_800_000_000
# As a lightning library decodes it: 64 satoshi, this hash, an hour, and the signature is right.
PUBLISHED = (
    "lnbcrt640n1p45n5sqpp5hxcgnf3w86vxgevhplhqz6lec0cjnyfe2srlgkxgdjukzn7skajqsp5z53d"
    "25ud05ykklnahfrrl8lgsl8xrkjg7hxeqag086xz46u223dqdq2wpshjmm4wsxqxqqqrss3grz0y565d"
    "dudd3cn4m087nzxerzjpz5xh30v9glcfrwwyrd56d4sntyttd8y4zxgxn96475rmf0egzg3c5lmj88wz"
    "6wwkcmzsp340gqcs082t"
)


def code(amount: int = 64, expires_s: int = NOW_S + 3_600) -> str:
    return payout_code.write(KEY, payment_hash=HASH, amount=amount, at_s=NOW_S, expires_s=expires_s)


def test_a_code_is_the_one_that_a_lightning_library_read() -> None:
    assert code() == PUBLISHED


def test_the_hash_is_found_again() -> None:
    assert payout_code.hash_in(code()) == HASH
    assert code().startswith("lnbcrt640n1")
    assert code(amount=100_000).startswith("lnbcrt1000000n1")


@pytest.mark.parametrize("text", ["", "lnbcrt", "lnbcrt1", "lnbc640n1" + "q" * 90, "payto://x"])
def test_what_is_no_code_is_unknown(text: str) -> None:
    with pytest.raises(Unknown, match="payout_unknown"):
        payout_code.hash_in(text)
    with pytest.raises(Unknown, match="payout_unknown"):
        payout_code.hash_in(code().replace("q", "b"))
