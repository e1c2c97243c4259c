import pytest

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Malformed, Unfit
from farthing.schemes.chain.ecoupon.payment import LINKS_MAX
from farthing.schemes.contract import Json
from tests.kit.ecoupon import Scene


@pytest.mark.parametrize(
    "change",
    [
        {"links": []},
        {"links": [[0, 1, "A" * 22]] * 2},
        {"links": [[number, 1, "A" * 22] for number in range(5)]},
        {"links": [[64, 1, "A" * 22]]},
        {"links": [[0, 1, "A" * 22], [1, chain.LENGTH_MAX + 1, "A" * 22]]},
        {"start": None},
        {"commitment": "A" * 22},
    ],
)
def test_a_payment_of_another_form_is_unfit(change: dict[str, Json]) -> None:
    scene = Scene()
    payload = scene.payload(scene.open()) | change
    with pytest.raises(Unfit):
        scene.vendor.till.read(codec.canonical(payload))


@pytest.mark.parametrize("commitment", ["A" * 21, "A" * 23])
def test_a_commitment_has_an_id_of_22_characters(commitment: str) -> None:
    scene = Scene()
    payload = scene.payload(scene.open()) | {"commitment": commitment}
    with pytest.raises(Malformed, match="commitment"):
        scene.vendor.till.read(codec.canonical(payload))


def test_a_payment_has_so_many_links_and_no_more() -> None:
    scene = Scene()
    payload, read = scene.payload(scene.open()), scene.vendor.till.read
    links: list[Json] = [[number, 1, "A" * 22] for number in range(LINKS_MAX + 1)]
    assert len(read(codec.canonical(payload | {"links": links[:-1]})).links) == LINKS_MAX
    with pytest.raises(Unfit, match="link_count_out_of_range"):
        read(codec.canonical(payload | {"links": links}))


def test_more_hops_than_a_vendor_checks_are_unfit() -> None:
    scene = Scene()
    _, phone = scene.hand(scene.open(), 1600)
    payload = scene.payload(phone)
    payload["hops"] = payload["hops"] * 5
    with pytest.raises(Unfit, match="hop_count_out_of_range"):
        scene.vendor.till.read(codec.canonical(payload))


@pytest.mark.parametrize("session", ["", "A" * 21, "A" * 23])
def test_a_session_has_a_name_of_its_length(session: str) -> None:
    scene = Scene(authentication="tesla")
    payload = scene.payload(scene.open())
    with pytest.raises(Unfit, match="tesla_session_malformed"):
        scene.vendor.till.read(
            codec.canonical(payload | {"tesla": payload["tesla"] | {"session": session}})
        )
