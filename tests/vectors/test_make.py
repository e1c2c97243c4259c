import json
from typing import Any

import pytest

from farthing import codec
from tests.vectors.make import FILES, FOLDER, millicent_take, payword_redeem, payword_take, written


def published(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_published_file_is_not_stale(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text == written(name), "run python -m tests.vectors.make, and say in the changelog why"


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_has_successes_and_refusals_of_many_kinds(name: str) -> None:
    vectors = published(name)["vectors"]
    kinds = [vector["expect"] for vector in vectors]
    assert kinds.count("taken") >= 4
    assert len(set(kinds)) >= 7
    assert len({vector["name"] for vector in vectors}) == len(vectors)
    assert all(vector["source"] == "ours" for vector in vectors)


def test_keys_are_marked_as_test_data() -> None:
    for name in FILES:
        for label, key in published(name)["keys"].items():
            if not label.startswith(("payer", "certifying, public")) or "range" in label:
                assert codec.unb64u(key).startswith(b"TEST-"), label


# What each vector says is read by hand here, so that a generator that is wrong does not agree with
# itself: name -> outcome.
EXPECTED = {
    "millicent.json": {
        "signed payment with change": "taken",
        "whole piece, no change": "taken",
        "in clear": "taken",
        "two minutes past its expiry": "taken",
        "one second more": "Expired",
        "two days past its expiry": "Expired",
        "worth less than the price": "Underpaid",
        "another vendor": "WrongVendor",
        "another currency": "WrongVendor",
        "serial of an unknown series": "Revoked",
        "serial in capitals": "Unfit",
        "props in another order": "Unfit",
        "a field too many": "Malformed",
        "the same scrip again": "Replayed",
    },
    "payword.json": {
        "payment: first payment": "taken",
        "payment: later payment": "taken",
        "payment: two denominations": "taken",
        "payment: two minutes after midnight": "taken",
        "payment: one second more": "Expired",
        "payment: index not above the last": "Replayed",
        "payment: slot committed twice": "Replayed",
        "payment: root committed twice": "Replayed",
        "payment: index above the length": "OutOfRange",
        "payment: chain that the commitment has not": "OutOfRange",
        "payment: worth less than the price": "Underpaid",
        "payment: commitment for yesterday": "Expired",
        "payment: commitment for tomorrow": "NotYetValid",
        "payment: commitment for another vendor": "WrongVendor",
        "payment: commitment above the credit of its slots": "Overlimit",
        "payment: chain that was never opened": "Closed",
        "payment: negative index": "Malformed",
        "payment: no links": "Malformed",
        "claim: last word": "taken",
        "claim: the same again": "taken",
        "claim: the difference": "taken",
        "claim: a lower word": "taken",
        "claim: the other chain": "taken",
        "claim: at the end of the submit window": "taken",
        "claim: one second more": "Late",
    },
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_outcome_is_the_one_that_the_scheme_asks_for(name: str) -> None:
    for vector in published(name)["vectors"]:
        assert vector["expect"] == EXPECTED[name].get(vector["name"], "Forged"), vector["name"]


def test_the_code_still_does_what_was_published() -> None:
    for vector in published("millicent.json")["vectors"]:
        assert millicent_take(vector)["expect"] == vector["expect"]
    for vector in published("payword.json")["vectors"]:
        act = payword_redeem if "claim" in vector else payword_take
        found = act(vector)
        assert {key: vector[key] for key in found} == found
