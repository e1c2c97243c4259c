"""The thin schemes on the real programs: which of them can be carried, and what is missing."""

import pytest

from farthing.crypto import signing
from farthing.lab.conformance import runner
from farthing.schemes.contract import Key, Scheme
from tests.kit.bare import BARE
from tests.kit.canaries import canary
from tests.kit.registered import registered
from tests.kit.thin.ecash import ECASH
from tests.kit.thin.mr3 import MR3
from tests.kit.thin.netbill import NETBILL
from tests.kit.thin.shape import BROKER_KEY, GOODS_KEY, SHARED_KEY

SIGNER = canary(BROKER_KEY)
KEYS = (
    Key(id="news", purpose=SHARED_KEY, secret=canary("shared")),
    Key(id="broker", purpose=BROKER_KEY, secret=SIGNER, public=signing.public_of(SIGNER)),
    Key(id="1", purpose=GOODS_KEY, secret=canary("goods")),
)
TOYS = {
    "round-trip[12300]": "a message with more coins than JSON has members",
    "round-trip[100000]": "likewise",
    "round-trip[512300]": "likewise",
    "wrong-vendor": "its coins are whose who shows them first, whatever vendor they were paid to",
}
"""What the thin eCash cannot do, being thin."""


@pytest.mark.parametrize(
    ("scheme", "missing"),
    [
        (MR3, "asks back"),
        (NETBILL, "sealed"),
    ],
    ids=lambda value: value.traits.name if isinstance(value, Scheme) else "",
)
def test_what_no_program_carries_yet_fails_once_and_skips_the_rest(
    scheme: Scheme, missing: str
) -> None:
    with registered(scheme):
        jobs = runner.jobs_of([scheme.traits.name], seed=1, keys=KEYS)
        results = [runner.run_job(job) for job in jobs[:4]]
    assert [(each.case, each.state) for each in results[:2]] == [
        ("carried", "failed"),
        ("round-trip[1]", "skipped"),
    ]
    assert all(missing in each.why for each in results)


def test_what_is_not_written_yet_is_said_once_and_skips_the_rest() -> None:
    with registered(BARE):
        results = [runner.run_job(job) for job in runner.jobs_of(["bare"], seed=1)]
    told = [each.case for each in results if each.state == "failed"]
    assert told[0] == "carried"
    assert set(told) <= {"carried", "declared"}
    skipped = [each for each in results if each.state == "skipped"]
    assert len(skipped) > 100
    assert all("Till.offer and" in each.why for each in skipped)
    assert all("not written yet" in each.why for each in skipped)


def test_the_thin_ecash_is_carried_and_fails_only_as_a_toy() -> None:
    with registered(ECASH):
        jobs = runner.jobs_of([ECASH.traits.name], seed=1, keys=KEYS)
        left_out = ("tampered", "declared", "changed-change", "restart")  # a toy checks little
        results = [runner.run_job(job) for job in jobs if not job.name.startswith(left_out)]
    failed = {each.case: each.why for each in results if each.state == "failed"}
    assert failed.keys() == TOYS.keys(), failed
    assert sum(each.state == "passed" for each in results) > 50
