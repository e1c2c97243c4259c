"""No secret shows in what says who a scheme works for."""

import msgspec
import pytest

from farthing.schemes import setting
from tests.kit.canaries import canary, leaked


@pytest.mark.parametrize("name", ["At", "Key"])
def test_a_struct_that_carries_secrets_has_a_repr_of_its_own(name: str) -> None:
    assert getattr(setting, name).__repr__ is not msgspec.Struct.__repr__


def test_entropy_does_not_show() -> None:
    at = setting.At(now_s=1, entropy=canary("entropy"))
    assert leaked(repr(at), {"entropy": canary("entropy")}) == []
