import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import OutOfRange
from farthing.money import (
    ACCOUNT_MICRO_MAX,
    PAYMENT_MICRO_MAX,
    Amount,
    asset_label,
    from_wire,
    parse_amount,
    parse_micro,
    require_currency,
    require_micro,
    show_micro,
    to_wire,
)

JSON_INT_MAX = 2**53 - 1


def test_a_hint_offers_the_currency_that_is_meant() -> None:
    with pytest.raises(OutOfRange) as found:
        parse_micro("much", "usd")
    assert "0.0002usd or 200u-usd" in found.value.detail
    with pytest.raises(OutOfRange) as found:
        parse_amount("much")
    assert "usd" not in found.value.detail


@pytest.mark.parametrize(
    ("text", "micro", "currency"),
    [
        ("0.02c", 200, None),
        ("200u", 200, None),
        ("0.0002usd", 200, "usd"),
        ("200u-eur", 200, "eur"),
        ("0.02c-eur", 200, "eur"),
        ("  0.02 C ", 200, None),
        ("0u", 0, None),
        ("0.0001c", 1, None),
        ("1eur", 1_000_000, "eur"),
        ("1000000000eur", ACCOUNT_MICRO_MAX, "eur"),
    ],
)
def test_amounts_read_as_people_write_them(text: str, micro: int, currency: str | None) -> None:
    assert parse_amount(text) == Amount(micro=micro, currency=currency)


@pytest.mark.parametrize(
    "text",
    [
        "", "200", "c", "-1u", "+1u", "1e3u", "0x10u", "1,5c", ".5c", "5.c", "1.5u", "0.00001c",
        "0.00000001c", "1usd-eur", "1usd-usd", "1u-eu", "1u-euro", "1euro", "1u u", "nan", "infu",
        "1000000000.000001eur", "99999999999999999u", "1_000u", "٣u", "\uff11u", "1u\n2u", "½c",
    ],
)  # fmt: skip  # - one spelling a line would hide that this is one list
def test_anything_else_is_out_of_range(text: str) -> None:
    with pytest.raises(OutOfRange):
        parse_amount(text)


@given(st.integers(0, ACCOUNT_MICRO_MAX))
def test_every_micro_unit_can_be_written_in_every_unit(micro: int) -> None:
    assert parse_amount(f"{micro}u").micro == micro
    assert parse_amount(f"{micro // 10_000}.{micro % 10_000:04d}c").micro == micro
    assert parse_amount(f"{micro // 10**6}.{micro % 10**6:06d}eur").micro == micro


@pytest.mark.parametrize("amount", [0, 1, PAYMENT_MICRO_MAX])
def test_a_payment_within_the_limit_passes(amount: int) -> None:
    assert require_micro(amount) == amount


@pytest.mark.parametrize("amount", [-1, PAYMENT_MICRO_MAX + 1, True, 1.0, "1", None])
def test_what_is_no_amount_is_refused_at_the_door(amount: object) -> None:
    with pytest.raises(OutOfRange, match="amount_out_of_range"):
        require_micro(amount)  # type: ignore[arg-type]  # wrong on purpose


def test_an_account_holds_more_than_a_payment() -> None:
    assert require_micro(ACCOUNT_MICRO_MAX, largest_micro=ACCOUNT_MICRO_MAX) == ACCOUNT_MICRO_MAX
    with pytest.raises(OutOfRange):
        require_micro(ACCOUNT_MICRO_MAX + 1, largest_micro=ACCOUNT_MICRO_MAX)


@given(st.integers(0, JSON_INT_MAX))
def test_wire_amounts_come_back(micro: int) -> None:
    assert from_wire(to_wire(micro)) == micro


@pytest.mark.parametrize("amount", [-1, JSON_INT_MAX + 1])
def test_what_a_json_reader_might_round_is_not_written(amount: int) -> None:
    with pytest.raises(OutOfRange):
        to_wire(amount)


@pytest.mark.parametrize(
    "text", ["", "00", "01", "-0", "-1", "+1", "1.0", "1e3", " 1", "1 ", "1\n", "٣", "1٣",
             str(JSON_INT_MAX + 1), "9" * 16, "9" * 17],
)  # fmt: skip  # - one spelling a line would hide that this is one list
def test_a_wire_amount_has_one_spelling(text: str) -> None:
    with pytest.raises(OutOfRange):
        from_wire(text)


@pytest.mark.parametrize(
    ("micro", "shown"),
    [
        (0, "0.00 EUR"),
        (1, "0.000001 EUR (0.0001 cent)"),
        (200, "0.0002 EUR (0.02 cent)"),
        (10_000, "0.01 EUR (1 cent)"),
        (100_000, "0.1 EUR (10 cent)"),
        (999_999, "0.999999 EUR (99.9999 cent)"),
        (1_000_000, "1.00 EUR"),
        (1_500_000, "1.5 EUR"),
        (-200, "-0.0002 EUR (-0.02 cent)"),
        (-2_000_000, "-2.00 EUR"),
    ],
)
def test_amounts_are_shown_for_people(micro: int, shown: str) -> None:
    assert show_micro(micro, "eur") == shown


@pytest.mark.parametrize("code", ["", "eu", "euro", "EUR", "e1r", "eur\n", "éur"])
def test_a_currency_is_three_lower_case_letters(code: str) -> None:
    with pytest.raises(OutOfRange, match="currency_malformed"):
        require_currency(code)


def test_an_asset_is_never_named_by_the_iso_code_alone() -> None:
    assert asset_label("eur") == "microeur"


def test_an_amount_is_read_in_the_currency_that_is_meant() -> None:
    assert parse_micro("5eur", "eur") == parse_micro("500c", "eur") == 5_000_000
    assert parse_micro("200u-eur", "eur") == 200
    for text in ("5usd", "200u-usd"):
        with pytest.raises(OutOfRange, match="amount_in_another_currency"):
            parse_micro(text, "eur")
