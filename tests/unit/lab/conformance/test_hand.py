from farthing.lab.conformance.hand import (
    Hand,
    Paused,
    credential_of,
    race,
    receipt_of,
    with_credential,
)
from farthing.lab.conformance.stage import Play, require_bought
from farthing.wallet.commands import Failed


def test_a_paused_purchase_is_written_and_not_sent() -> None:
    with Play("millicent", "a").stage() as stage:
        paused = Paused(stage.payer, stage.page())
        assert paused.purchase is not None
        assert stage.shop.charged_micro() == 0
        require_bought(paused.finish(stage.shop.serve(paused.request)))
        again = Paused(stage.payer, stage.page("b"))
        lost = again.finish(Failed(reason="ReadError"))
        assert lost.purchase is not None


def test_a_credential_is_taken_out_and_put_back_as_it_was() -> None:
    for dialect in ("mpp", "x402"):
        with Play("millicent", "a").stage(dialect=dialect) as stage:
            hand = Hand(stage)
            made = hand.pay(stage.page(), hand.instrument())
            name, raw = credential_of(made.request)
            assert raw.startswith(b"{")
            assert with_credential(made.request, name, raw) == made.request


def test_a_race_gives_every_racer_an_answer_and_one_receipt() -> None:
    with Play("payword", "a").stage() as stage:
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        answers = race(stage, stage.shop, [made.request] * 5)
        assert len(answers) == 5
        assert len({receipt_of(answer) for answer in answers} - {""}) == 1
        assert stage.shop.charged_micro() == stage.price_micro
