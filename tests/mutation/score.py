"""The share of mutants that tests notice, and how far a sample of them may be off."""

import math
from collections.abc import Sequence

from tests.mutation.runner import Verdict

NOTICED = frozenset({"killed", "hung"})
DEVIATIONS_95 = 1.96


def score(verdicts: Sequence[Verdict]) -> float:
    """Killed of all, unreached ones included; 1 of none."""
    return sum(each.outcome in NOTICED for each in verdicts) / len(verdicts) if verdicts else 1.0


def interval(verdicts: Sequence[Verdict]) -> tuple[float, float]:
    """The 95 % interval of the score (Wilson's), were these a sample of many more."""
    count, share, z = len(verdicts), score(verdicts), DEVIATIONS_95
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
