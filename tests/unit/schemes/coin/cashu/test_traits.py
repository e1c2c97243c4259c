from farthing.schemes.coin.cashu.traits import TRAITS


def test_it_clears_before_the_goods_go_out_alone() -> None:
    assert TRAITS.moments == ("before",)
    assert TRAITS.latest == "before"
