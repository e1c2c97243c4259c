"""Cashu coins pay at a gate: real broker, gate and site, and a payer who has nothing but HTTP."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest

from farthing.codec import JSON_STRING_MAX
from farthing.schemes.coin.cashu import payment_request, tokens
from farthing.wire import mpp, published, receipts, xcashu
from farthing.wire.offers import CREDENTIAL_BYTES_MAX
from tests.integration.cashu.stall import CENTS, MICRO, Stall, token_of
from tests.integration.cashu.swapping import spend
from tests.integration.cashu.teller import Teller, audited
from tests.kit import cashu
from tests.kit.turns import marks_of

CENT_MICRO = 10_000
PARALLEL = 32
ROTATION = 3  # it takes some seconds to start a broker and a gate
COINS = 24

pytestmark = [pytest.mark.timeout(120), *marks_of(0, of=ROTATION)]


@pytest.fixture(scope="module")
def stall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stall]:
    folder = tmp_path_factory.mktemp("stall")
    with Teller(folder) as teller, Stall(folder, teller) as opened:
        yield opened
    audited(folder)


def change_in(answer: httpx.Response) -> list[str]:
    told = answer.headers.get("farthing-change", "")
    return told.split(", ") if told else []


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert not {"www-authenticate", "payment-required", "x-cashu"} & answer.headers.keys()
    return answer.status_code, answer.json()["code"]


def test_the_402_says_how_much_of_which_mint(stall: Stall) -> None:
    for path, cents in (("/cents/page", CENTS), ("/micro/page", 1)):
        answer = stall.http.get(path)
        assert answer.status_code == 402
        asked = payment_request.read(answer.headers["x-cashu"])
        assert (asked.a, asked.u, asked.m) == (cents, "eur", (stall.teller.mint_url,))


def test_exact_coins_buy_a_page_and_no_change(stall: Stall) -> None:
    answer = stall.pay(stall.token(CENTS), "/cents/page")
    assert (answer.status_code, answer.text) == (200, "the page")
    receipt = mpp.read_receipt(answer.headers["payment-receipt"])
    assert (receipt.wire_name, receipt.amount_micro) == ("cashu", CENTS * CENT_MICRO)
    assert (receipt.settlement, change_in(answer)) == ("final", [])
    receipts.verify(receipt, public=public_of(stall))


def public_of(stall: Stall) -> bytes:
    return published.read_keys(stall.http.get(published.KEYS_PATH).content)[1][0]


def test_change_of_cents_and_micro_units_is_good_at_its_mints(stall: Stall) -> None:
    answer = stall.pay(stall.token(10))
    assert answer.status_code == 200
    whole, rest = change_in(answer)
    receipt = mpp.read_receipt(answer.headers["payment-receipt"])
    assert receipt.amount_micro == MICRO
    with_change = msgspec.structs.replace(receipt, change=[whole, rest])
    receipts.verify(with_change, public=public_of(stall))
    for text, desk, amount in (
        (whole, stall.teller, 9),
        (rest, stall.micro, CENT_MICRO - MICRO),
    ):
        token = tokens.read(text)
        assert (token.mint, token.unit, token.amount) == (desk.mint_url, desk.unit, amount)
        assert all(proof.dleq is not None for proof in token.proofs)
        assert sum(proof.amount for proof in desk.swap(token.proofs)) == amount


def test_change_pays_the_next_page(stall: Stall) -> None:
    (rest,) = change_in(stall.pay(stall.token(1)))
    answer = stall.pay(rest)
    assert answer.status_code == 200
    (left,) = change_in(answer)
    assert tokens.read(left).amount == CENT_MICRO - 2 * MICRO


def test_the_same_token_gets_the_same_answer(stall: Stall) -> None:
    token = stall.token(2)
    first = stall.pay(token)
    stall.gate.kill()
    stall.gate.revive()
    again = stall.pay(token)
    assert (again.status_code, again.content) == (200, first.content)
    for name in ("payment-receipt", "farthing-change"):
        assert again.headers[name] == first.headers[name]


def test_a_site_that_fails_leaves_the_coins_unspent(stall: Stall) -> None:
    proofs = stall.teller.load(1)
    answer = stall.pay(token_of(stall.teller, proofs), "/micro/failing")
    assert answer.status_code == 500
    assert answer.headers["payment-outcome"] == "released"
    assert {"payment-receipt", "farthing-change"}.isdisjoint(answer.headers)
    assert [stall.teller.mint.state_of(proof) for proof in proofs] == ["UNSPENT"]
    again = token_of(stall.teller, stall.teller.swap(proofs))
    assert stall.pay(again).status_code == 200


def test_spent_coins_are_403_whoever_spent_them(stall: Stall) -> None:
    proofs = stall.teller.load(1)
    assert stall.pay(token_of(stall.teller, proofs)).status_code == 200
    assert code_of(stall.pay(token_of(stall.teller, proofs, "another word")))[0] == 403
    proofs = stall.teller.load(1)
    stall.teller.swap(proofs)
    assert code_of(stall.pay(token_of(stall.teller, proofs)))[0] == 403


def test_coins_that_will_not_do_are_400(stall: Stall) -> None:
    proofs = stall.teller.load(2)
    few = token_of(stall.teller, proofs)
    assert code_of(stall.pay(few, "/cents/page")) == (400, "coins_below_price")
    token = tokens.read(few)
    other = tokens.write(msgspec.structs.replace(token, mint="https://mint.example"))
    assert code_of(stall.pay(other)) == (400, "token_of_another_mint")
    sats = tokens.write(msgspec.structs.replace(token, unit="sat"))
    assert code_of(stall.pay(sats))[0] == 400
    forged = msgspec.structs.replace(proofs[0], C=cashu.public("alice"))
    assert code_of(stall.pay(token_of(stall.teller, [forged])))[0] == 400
    lock = cashu.blank(stall.teller.keyset, 1, cashu.lock("P2PK", cashu.public("alice")))
    swapped = stall.teller.post("swap", spend(stall.teller.load(1), [lock]))
    locked = stall.teller.unblinded([lock], swapped)
    assert code_of(stall.pay(token_of(stall.teller, locked)))[0] == 400
    unlocked = cashu.unlocked(locked[0], "alice")
    assert stall.pay(token_of(stall.teller, [unlocked])).status_code == 200
    assert stall.pay(few).status_code == 200, "nobody has spent it meanwhile"


def test_many_at_once_get_one_page_and_one_charge(stall: Stall) -> None:
    token, before = stall.token(1), len(stall.origin.heard)
    with ThreadPoolExecutor(PARALLEL) as payers:
        answers = list(payers.map(lambda _: stall.pay(token), range(PARALLEL)))
    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) <= {200, 409}
    replays = [heard for heard in stall.origin.heard[before:] if heard.values("x-pay-replay")]
    assert len(stall.origin.heard) - before - len(replays) == 1
    told = {answer.headers["farthing-change"] for answer in answers if answer.is_success}
    assert told == {stall.pay(token).headers["farthing-change"]}


def test_a_token_of_many_coins_passes_every_door(stall: Stall) -> None:
    """One above the size of any string in JSON of our own."""
    proofs = stall.teller.swap(stall.teller.load(COINS), [1] * COINS)
    token = token_of(stall.teller, proofs)
    assert JSON_STRING_MAX < len(token) < CREDENTIAL_BYTES_MAX
    answer = stall.pay(token)
    assert answer.status_code == 200
    change = change_in(answer)
    assert [tokens.read(text).amount for text in change] == [COINS - 1, CENT_MICRO - MICRO]
    credential = xcashu.read_token(token)
    question = {"k": credential.k, "payload": msgspec.json.decode(credential.payload)}
    told = stall.http.post(published.OUTCOME_PATH, json=question)
    assert told.json()["receipt"]["change"] == change


def test_no_token_is_in_the_log_of_the_gate(stall: Stall) -> None:
    assert stall.pay(stall.token(2)).status_code == 200
    logs = "".join(path.read_text() for path in Path(stall.folder).glob("*.log"))
    assert "cashuB" not in logs
