import pytest
import typer

from farthing.cli.naming import names_of


def test_names_come_without_blanks_and_once() -> None:
    assert names_of(" millicent, payword,millicent ") == ("millicent", "payword")
    assert names_of("all") == ()


@pytest.mark.parametrize("wrong", ["", "gold", "payword,", "payword;millicent"])
def test_what_names_no_scheme_is_bad_usage_and_lists_those_there_are(wrong: str) -> None:
    with pytest.raises(typer.BadParameter, match="known: millicent, payword"):
        names_of(wrong)
