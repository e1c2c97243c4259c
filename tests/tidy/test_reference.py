"""The reference pages of the schemes are what the registry and the source say."""

import re

import pytest

from farthing.schemes import registry
from tests.tidy import reference, states

PAGES = reference.pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_not_stale(name: str) -> None:
    path = reference.FOLDER / name
    assert path.exists(), f"run {reference.COMMAND}"
    assert path.read_text(encoding="utf-8") == PAGES[name], f"run {reference.COMMAND}"


def test_the_page_of_states_is_not_stale() -> None:
    found = states.PATH.read_text(encoding="utf-8")
    assert found == states.page(reference.COMMAND), f"run {reference.COMMAND}"


def test_every_row_of_a_table_of_states_is_in_its_picture_and_in_words() -> None:
    shown = states.page(reference.COMMAND)
    for machine in states.MACHINES:
        for (state, event), (step, following) in machine.table.items():
            assert f"| {state} | {event} | {step} | {following} |" in shown
            assert re.search(rf"    {state} --> {following}: .*\b{event} → {step}\b", shown)


def test_there_is_a_page_for_each_scheme_and_for_nothing_else() -> None:
    found = {path.name for path in reference.FOLDER.iterdir()}
    schemes = {f"{scheme.traits.name}.md" for scheme in registry.all_schemes()}
    assert found == schemes | {"README.md"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("payword", ["`word_does_not_hash_to_last`", "`chain_index_not_above_last`",
                     "`slots`", "`STEPS_MAX`", "`the price of one purchase, which"]),
        ("millicent", ["`more_than_was_sold`", "`request_signature_wrong`", "`expiresS`",
                       "`SCRIP_MICRO_MAX`", "Glassman"]),
    ],
)  # fmt: skip  # - one scheme a row
def test_a_page_says_what_a_reader_looks_for(name: str, words: list[str]) -> None:
    missing = [word for word in words if word.strip("`") not in PAGES[f"{name}.md"]]
    assert missing == []


def test_every_struct_and_field_of_a_message_is_there() -> None:
    for scheme in registry.all_schemes():
        page = PAGES[f"{scheme.traits.name}.md"]
        kinds = [kind for _, kind, _ in reference.written(reference.own(scheme))]
        assert len(kinds) > 4
        for kind in kinds:
            assert f"### {kind.__name__}\n" in page
            for field in kind.__struct_encode_fields__:
                assert f"| `{field}` |" in page
