import pytest

from farthing.errors import OutOfRange
from farthing.ids import network, new_id, require_broker_id, require_name


@pytest.mark.parametrize("text", ["a", "demo-broker", "A_b-9", "x" * 32])
def test_a_broker_id_fits_a_network_reference(text: str) -> None:
    assert require_broker_id(text) == text
    assert network(text) == f"farthing:{text}"


@pytest.mark.parametrize("text", ["", "x" * 33, "a.b", "a b", "a/b", "a:b", "é", "a\n"])
def test_any_other_broker_id_is_refused(text: str) -> None:
    for read in (require_broker_id, network):
        with pytest.raises(OutOfRange, match="broker_id_malformed"):
            read(text)


@pytest.mark.parametrize("text", ["a", "7", "vendor-7", "news.example", "a" * 64])
def test_a_name_is_like_a_host(text: str) -> None:
    assert require_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "A", "a_b", "-a", "a-", ".a", "a.", "a/b", "a b", "a\n", "٣", "é"]
)
def test_a_name_never_ends_a_path_or_a_record_key(text: str) -> None:
    with pytest.raises(OutOfRange, match="name_malformed"):
        require_name(text)


def test_an_id_is_its_entropy_behind_a_prefix() -> None:
    assert new_id("rc", bytes(12)) == "rc_AAAAAAAAAAAAAAAA"
    assert new_id("rc", b"\xff\xfe") == "rc___4"
