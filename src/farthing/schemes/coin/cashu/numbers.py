"""The error numbers of the Cashu network for our refusals. Source: its `error_codes`."""

from collections.abc import Mapping

from farthing.errors import Refusal

OTHER = 11_000  # a transaction that is refused for what has no number of its own

NUMBERS: Mapping[str, int] = {
    "coin_forged": 10_001,
    "lock_not_opened": 10_001,
    "lock_differs": 10_001,
    "lock_malformed": 10_001,
    "preimage_wrong": 10_001,
    "witness_malformed": 10_001,
    "coin_spent": 11_001,
    "mark_held": 11_002,
    "output_signed": 11_003,
    "transaction_unbalanced": 11_005,
    "amount_outside_limits": 11_006,
    "inputs_repeated": 11_007,
    "outputs_repeated": 11_008,
    "units_mixed": 11_009,
    "unit_unsupported": 11_013,
    "inputs_too_many": 11_014,
    "outputs_too_many": 11_015,
    "keyset_unknown": 12_001,
    "keyset_inactive": 12_002,
    "keyset_expired": 12_003,
    "quote_unpaid": 20_001,
    "quote_issued": 20_002,
    "payout_unknown": 20_004,
    "quote_paid": 20_006,
    "quote_expired": 20_007,
    "quote_signature_wrong": 20_008,
}


def number_of(refusal: Refusal) -> int:
    """The number that wallets know, or the general one."""
    return NUMBERS.get(refusal.code, OTHER)
