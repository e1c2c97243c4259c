"""A refund's repr shows nothing that is worth money."""

from farthing.schemes.refunds import Charged, Refund


def test_a_repr_does_not_show_what_is_given_back() -> None:
    given = Refund(answer={"scrip": "worth money"}, claims=(), until_s=1)
    assert repr(given) == "Refund(0 claims)"


def test_what_was_charged_is_what_the_till_said() -> None:
    charged = Charged(reference="mc:1", payer="p", value_micro=5, kept=b"student=true")
    assert (charged.reference, charged.value_micro) == ("mc:1", 5)
