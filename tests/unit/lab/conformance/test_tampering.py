"""What breaks a rule of `tampering.py` is found there."""

import pytest

from tests.kit.broken import Broken, broken_in, require_found


@pytest.mark.parametrize("broken", broken_in("tampering"), ids=str)
def test_a_broken_rule_is_found(broken: Broken) -> None:
    require_found(broken)
