import pickle

import pytest

from farthing import errors
from farthing.errors import DETAIL_CHARS_MAX, ROWS, Refusal, by_name, classes, row_of

# Section 7 of the wire format, spelled out: class -> status, problem slug, x402 reason, retry.
TABLE = {
    "Unpaid": (402, "payment-required", "payment_required", "new"),
    "Malformed": (402, "malformed-credential", "invalid_payload", "new"),
    "Unfit": (402, "invalid-payload", "invalid_payload", "new"),
    "OutOfRange": (402, "invalid-payload", "invalid_payload", "new"),
    "Unsolicited": (402, "invalid-challenge", "invalid_payment_requirements", "new"),
    "Expired": (402, "payment-expired", "invalid_payload", "new"),
    "Late": (402, "payment-expired", "invalid_payload", "new"),
    "Forged": (402, "verification-failed", "invalid_payload", "new"),
    "Unminted": (402, "verification-failed", "invalid_payload", "new"),
    "Mismatch": (402, "verification-failed", "invalid_payload", "new"),
    "WrongVendor": (402, "verification-failed", "invalid_payload", "new"),
    "WrongPayer": (402, "verification-failed", "invalid_payload", "new"),
    "Revoked": (402, "verification-failed", "invalid_payload", "new"),
    "Underpaid": (402, "payment-insufficient", "insufficient_funds", "new"),
    "Unfunded": (402, "payment-insufficient", "insufficient_funds", "new"),
    "Overlimit": (402, "payment-insufficient", "insufficient_funds", "new"),
    "BadRequest": (400, "bad-request", "invalid_payload", "new"),
    "Unsupported": (400, "method-unsupported", "unsupported_scheme", "new"),
    "OtherNetwork": (400, "method-unsupported", "invalid_network", "new"),
    "Replayed": (403, "verification-failed", "", "never"),
    "Conflict": (403, "verification-failed", "", "never"),
    "JumpTooLong": (403, "verification-failed", "", "new"),
    "NotYetValid": (403, "own/not-yet-valid", "", "same"),
    "Denied": (403, "own/policy-denied", "", "never"),
    "Unknown": (404, "own/unknown", "", "same"),
    "Busy": (409, "own/in-progress", "", "same"),
    "HoldLost": (409, "own/in-progress", "", "same"),
    "Reused": (409, "own/idempotency-conflict", "", "never"),
    "Closed": (410, "session/channel-not-found", "", "new"),
    "Finalized": (410, "session/channel-finalized", "", "new"),
    "TooLarge": (413, "bad-request", "invalid_payload", "new"),
    "Compressed": (415, "bad-request", "invalid_payload", "new"),
    "Throttled": (429, "own/rate-limited", "", "same"),
    "HeaderTooLarge": (431, "bad-request", "invalid_payload", "new"),
    "Misconfigured": (500, "internal-payment-error", "unexpected_settle_error", "same"),
    "OriginFailed": (502, "own/origin-failed", "", "same"),
    "PeerFailed": (403, "own/peer-failed", "", "new"),
    "Unavailable": (503, "internal-payment-error", "unexpected_settle_error", "same"),
    "Undecided": (503, "internal-payment-error", "settlement_pending", "same"),
    "Broken": (503, "internal-payment-error", "unexpected_settle_error", "same"),
}
AT_FAULT = {
    "Late": "vendor",
    "Misconfigured": "vendor",
    "OriginFailed": "vendor",
    "PeerFailed": "broker",
    "Unavailable": "broker",
    "Broken": "us",
    "Undecided": "us",
}
OURS = [kind for kind in classes() if kind.__module__ == errors.__name__]


def test_every_class_has_a_row_and_every_row_a_class() -> None:
    assert {kind.__name__ for kind in OURS} == {kind.__name__ for kind in ROWS} == set(TABLE)


@pytest.mark.parametrize("kind", OURS)
def test_row_is_that_of_the_wire_format(kind: type[Refusal]) -> None:
    row = row_of(kind("a_code"))
    assert (row.status, row.slug, row.x402, row.retry) == TABLE[kind.__name__]


@pytest.mark.parametrize("kind", OURS)
def test_a_class_says_who_is_at_fault(kind: type[Refusal]) -> None:
    assert kind.fault == AT_FAULT.get(kind.__name__, "payer")


@pytest.mark.parametrize("kind", OURS)
def test_402_never_once_value_has_moved(kind: type[Refusal]) -> None:
    plain, moved = row_of(kind("a_code")), row_of(kind("a_code"), value_moved=True)
    assert moved.status == (403 if plain.status == 402 else plain.status)
    assert (moved.slug, moved.x402, moved.retry) == (plain.slug, plain.x402, plain.retry)


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("value_moved", [False, True])
def test_a_cashu_token_that_will_not_do_is_400(kind: type[Refusal], *, value_moved: bool) -> None:
    plain = row_of(kind("a_code"))
    told = row_of(kind("a_code"), value_moved=value_moved, in_cashu=True)
    assert told.status == (400 if plain.status == 402 else plain.status)
    assert (told.slug, told.retry) == (plain.slug, plain.retry)


@pytest.mark.parametrize("kind", OURS)
def test_waiting_is_asked_for_only_where_the_same_bytes_may_come_again(
    kind: type[Refusal],
) -> None:
    row = row_of(kind("a_code"))
    assert row.retry_after_s == 0 or row.retry == "same"
    if row.status in {409, 429, 503} and row.retry == "same":
        assert row.retry_after_s > 0


@pytest.mark.parametrize("kind", OURS)
def test_a_refusal_travels_between_processes_whole(kind: type[Refusal]) -> None:
    sent = kind("a_code", "What to do next.", lastIndex=42, reference="pw:1")
    came = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own bytes
    assert type(came) is kind
    assert (came.code, came.detail, came.facts) == (sent.code, sent.detail, sent.facts)


@pytest.mark.parametrize("kind", OURS)
def test_a_refusal_is_found_again_by_its_name(kind: type[Refusal]) -> None:
    found = by_name(kind.__name__, "a_code", "detail", reference="x")
    assert (type(found), found.code, found.detail) == (kind, "a_code", "detail")
    assert found.facts == {"reference": "x"}


def test_a_name_from_nowhere_is_our_own_fault() -> None:
    found = by_name("Exception", "a_code")
    assert type(found) is errors.Broken


def test_a_class_without_a_row_is_noticed() -> None:
    with pytest.raises(KeyError):
        row_of(Refusal("a_code"))  # the base is in no row


def test_a_refusal_without_detail_shows_its_code() -> None:
    assert str(errors.Forged("word_wrong")) == "Forged(word_wrong): word wrong"
    assert str(errors.Forged("word_wrong", "Why.")) == "Forged(word_wrong): Why."


def test_the_words_of_another_party_are_made_fit_to_show() -> None:
    refusal = by_name("Denied", "\x1b[31m", "one\x1b]0;two\x07\n" + "x" * 1000)
    assert refusal.code == "code_malformed"
    assert refusal.detail.startswith("one ]0;two  xxx")
    assert len(refusal.detail) == DETAIL_CHARS_MAX
    assert by_name("Denied", "policy_denied").code == "policy_denied"
