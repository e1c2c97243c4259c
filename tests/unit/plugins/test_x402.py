import asyncio
import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from x402 import x402Client, x402ClientSync
from x402.http import utils as stock_http
from x402.schemas import PaymentPayload, PaymentRequired

from farthing.errors import Mismatch, Overlimit, Unsupported
from farthing.plugins.x402 import AsyncFarthingScheme, FarthingScheme
from farthing.schemes.chain.payword import PAYWORD
from farthing.wallet.commands import Purchase
from farthing.wallet.policy import Limits
from farthing.wire.offers import Received
from tests.unit.wallet.town import Town, town_in

ALLOWED: Any = {"allowed_assets": [{"network": "farthing:*", "asset": "microeur"}]}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with town_in(tmp_path) as made:
        yield made


def required(town: Town, path: str = "/a") -> PaymentRequired:
    value = town.unpaid(path).headers["payment-required"]
    message = stock_http.decode_payment_required_header(value)
    assert isinstance(message, PaymentRequired)
    return message


def client_of(scheme: FarthingScheme) -> x402ClientSync:
    client = x402ClientSync()
    client.register("farthing:*", scheme)
    client.register_policy(scheme.policy)
    client.set_spend_controls(ALLOWED)
    return client


def payment(town: Town, scheme: FarthingScheme, path: str = "/a") -> PaymentPayload:
    made = client_of(scheme).create_payment_payload(required(town, path))
    assert isinstance(made, PaymentPayload)
    return made


def send(town: Town, made: PaymentPayload, path: str = "/a") -> int:
    value = stock_http.encode_payment_signature_header(made)
    return town.pay(path, "payment-signature", value)


def id_of(made: PaymentPayload) -> str:
    assert made.extensions is not None
    return str(made.extensions["payment-identifier"]["info"]["id"])


def test_payment_is_in_the_wallet_before_it_is_sent_and_buys_the_page(town: Town) -> None:
    made = payment(town, FarthingScheme(town.wallet))
    [entry] = town.wallet.history()
    assert (entry.state, entry.id) == ("sent", id_of(made))
    assert "__extensions" not in made.payload
    assert send(town, made) == 200
    assert town.site.charges == [("/a", 200)]


def test_change_of_one_payment_pays_for_the_next(town: Town) -> None:
    scheme = FarthingScheme(town.wallet)
    for path in ("/a", "/b", "/c"):
        assert send(town, payment(town, scheme, path), path) == 200
    assert town.states() == ["done", "done", "sent"]
    assert scheme.settle() == 0
    assert town.bank.sold_micro == 2_000
    [holding] = town.wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("ready", 1_400)


def test_leaving_the_block_settles(town: Town) -> None:
    with FarthingScheme(town.wallet) as scheme:
        send(town, payment(town, scheme))
    assert town.states() == ["done"]


def test_undecided_payment_goes_out_again_and_no_second_one(town: Town) -> None:
    scheme = FarthingScheme(town.wallet)
    first, again = payment(town, scheme), payment(town, scheme)
    assert (again.payload, id_of(again)) == (first.payload, id_of(first))
    assert town.states() == ["undecided"]
    assert scheme.settle() == 1
    assert send(town, again) == 200
    assert scheme.settle() == 0


def test_undecided_payment_does_not_answer_another_price(town: Town) -> None:
    scheme = FarthingScheme(town.wallet)
    first = payment(town, scheme)
    town.site.price_micro = 300
    second = payment(town, scheme)
    assert id_of(second) != id_of(first)
    assert send(town, second) == 200
    assert town.site.charges == [("/a", 300)]


def test_payment_above_a_budget_is_refused_and_nothing_is_written(town: Town) -> None:
    town.wallet.set_limits(Limits(per_payment_micro=100))
    with pytest.raises(Overlimit, match="above_budget_per_payment"):
        payment(town, FarthingScheme(town.wallet))
    assert town.wallet.history() == ()


def test_scheme_that_the_wallet_lacks_is_refused_by_name_and_left_out_by_the_policy(
    tmp_path: Path,
) -> None:
    with town_in(tmp_path, schemes={"payword": PAYWORD}) as town:
        scheme = FarthingScheme(town.wallet)
        [offer] = required(town).accepts
        with pytest.raises(
            Unsupported, match="paid by millicent, and what may be paid by here is payword"
        ):
            scheme.create_payment_payload(offer)
        assert scheme.policy(2, [offer]) == []


def test_policy_leaves_offers_of_others_alone_and_drops_what_it_cannot_read(town: Town) -> None:
    scheme = FarthingScheme(town.wallet)
    [offer] = required(town).accepts
    foreign = offer.model_copy(update={"network": "eip155:8453", "scheme": "exact"})
    broken = offer.model_copy(update={"extra": {}})
    assert scheme.policy(2, [foreign, broken, offer]) == [foreign, offer]


def test_payment_identifier_of_somebody_else_is_refused(town: Town) -> None:
    scheme = FarthingScheme(town.wallet)
    message = required(town)
    assert message.extensions is not None
    message.extensions["payment-identifier"]["info"]["id"] = "pay_7d5d747be160e280504c"
    with pytest.raises(Unsupported, match="payment_identifier_taken"):
        client_of(scheme).create_payment_payload(message)
    assert town.wallet.history() == ()


@pytest.mark.parametrize("missing", ["site", "target"])
def test_offer_that_names_no_request_is_refused(town: Town, missing: str) -> None:
    [offer] = required(town).accepts
    del offer.extra[missing]
    with pytest.raises(Mismatch, match="offer_without_request"):
        FarthingScheme(town.wallet).create_payment_payload(offer)


def test_asynchronous_client_pays_in_a_thread_and_its_loop_goes_on(town: Town) -> None:
    scheme = AsyncFarthingScheme(town.wallet)
    pay, threads = scheme._cashier.pay, []

    def noted(received: Received) -> Purchase:
        threads.append(threading.current_thread())
        return pay(received)

    scheme._cashier.pay = noted  # type: ignore[method-assign]  # to see where it runs
    client = x402Client()
    client.register("farthing:*", scheme)
    client.set_spend_controls(ALLOWED)
    messages = [required(town, path) for path in ("/a", "/b")]

    async def both() -> list[Any]:
        made = [client.create_payment_payload(message) for message in messages]
        return list(await asyncio.gather(*made))

    first, second = asyncio.run(both())
    assert threading.main_thread() not in threads
    assert len(threads) == 2
    assert (send(town, first, "/a"), send(town, second, "/b")) == (200, 200)


def test_asynchronous_scheme_without_its_hook_pays_all_the_same(town: Town) -> None:
    assert send(town, payment_without_hook(town, AsyncFarthingScheme(town.wallet))) == 200


def payment_without_hook(town: Town, scheme: FarthingScheme) -> PaymentPayload:
    message = required(town)
    payload = scheme.create_payment_payload(message.accepts[0])
    extensions = payload.pop("__extensions")
    return PaymentPayload(payload=payload, accepted=message.accepts[0], extensions=extensions)


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "x402", None)
    monkeypatch.delitem(sys.modules, "farthing.plugins.x402")
    with pytest.raises(ImportError, match=r"pip install farthing\[x402\]"):
        importlib.import_module("farthing.plugins.x402")
