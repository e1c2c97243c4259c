from farthing.lab.conformance.hand import Hand, code_of
from farthing.lab.conformance.shop import PAGE, Walking, failing
from farthing.lab.conformance.stage import Play
from farthing.vendor.commands import Answer
from farthing.wallet.commands import Request


def test_a_page_is_offered_then_sold_and_leaves_a_claim() -> None:
    with Play("payword", "a").stage() as stage:
        shop, hand = stage.shop, Hand(stage)
        before = shop.snapshot()
        assert shop.serve(Request(method="GET", url=stage.page())).status == 402
        assert shop.snapshot() == before
        made = hand.pay(stage.page(), hand.instrument())
        assert shop.serve(made.request).body == PAGE
        assert shop.snapshot() != before
        assert (shop.visits, shop.charged_micro()) == (1, stage.price_micro)
        assert len(shop.claims()) == 1
        assert shop.clear().paid_micro == stage.price_micro
        assert shop.claims() == []


def test_a_walk_can_be_stopped_between_two_commands() -> None:
    with Play("payword", "a").stage() as stage:
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        walk = stage.shop.walk(made.request)
        assert not isinstance(walk, Answer)
        walking = Walking(stage.shop, walk)
        walking.step()
        assert walking.answer is None
        assert stage.shop.visits == 0
        assert walking.run().status == 200


def test_a_site_that_is_away_sells_nothing() -> None:
    with Play("payword", "a").stage() as stage:
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        stage.shop.origin = failing
        assert code_of(stage.shop.serve(made.request)) == "origin_unreachable"
        assert stage.shop.charged_micro() == 0
