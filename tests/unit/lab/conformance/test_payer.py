from farthing.lab.conformance.stage import Play


def test_a_wallet_goes_on_after_a_restart_with_what_it_held() -> None:
    with Play("millicent", "a").stage() as stage:
        stage.buy()
        held_micro = stage.payer.held_micro()
        stage.payer.restart()
        assert stage.payer.held_micro() == held_micro > 0
        stage.buy("again")
        assert stage.payer.said.count("AskMint") == 1


def test_an_old_copy_holds_what_it_held_then() -> None:
    with Play("millicent", "a").stage() as stage:
        stage.buy()
        held_micro = stage.payer.held_micro()
        stage.payer.save(stage.room.folder / "copy")
        stage.buy("later")
        assert stage.payer.held_micro() < held_micro
        stage.payer.restore(stage.room.folder / "copy")
        assert stage.payer.held_micro() == held_micro


def test_a_payer_reads_the_offers_of_its_own_dialect_alone() -> None:
    with Play("millicent", "a").stage(dialect="x402") as stage:
        fetched = stage.buy()
        assert fetched.purchase is not None
        assert fetched.purchase.received.dialect == "x402"
