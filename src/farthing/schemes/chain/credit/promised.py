"""What an account has out: of its credit, by certificates of all members, and prepaid.

::

    credit/certified/<account>       live certificates: [end, limit, serial]
    credit/revoked/<account>         likewise of those that were revoked and can still be billed
    <tag>/dated/<account>/<serial>   the end of one that is prepaid, for its day

Of a revoked certificate the day of the revocation and the next are billed, and no later ones: so
long the news may take, and so much clocks may differ. Until then it counts, so that whoever revokes
and certifies in turn gets twice the credit at the most (ours).
"""

import msgspec

from farthing.errors import Overlimit
from farthing.marks import Keys, Memory, Put
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.contract import Account
from farthing.schemes.revocations import listed_at_s

LIVE_MAX = 256  # certificates of an account: all of them are one record
_LIVE, _DATED = b"credit/certified/", b"dated"
SPREAD_DAYS = 1  # that a revoked certificate is billed after the day of its revocation

_Promises = list[tuple[int, int, str]]


def keys_of(account_id: str) -> tuple[bytes, bytes]:
    """The two records of an account."""
    return _LIVE + account_id.encode(), b"credit/revoked/" + account_id.encode()


def recall(tag: str, account_id: str) -> Keys:
    """What `serials` reads."""
    return Keys(records=keys_of(account_id), prefixes=(_dated_key(tag, account_id, ""),))


def dated(tag: str, account_id: str, serial: str, ends_at_s: int) -> Put:
    """The record of a prepaid one."""
    key = _dated_key(tag, account_id, serial)
    return Put(key=key, value=b"%d" % ends_at_s, until_s=ends_at_s + SKEW_S)


def _dated_key(tag: str, account_id: str, serial: str) -> bytes:
    return b"/".join((tag.encode(), _DATED, account_id.encode(), serial.encode()))


def serials(memory: Memory, now_s: int) -> tuple[str, ...]:
    """Of the live ones of an account: on credit those of all members, prepaid one's own."""
    live = [key for key in memory.records if key.startswith(_LIVE)]
    prepaid = [
        key.rpartition(b"/")[2].decode()
        for key, value in memory.records.items()
        if key.split(b"/", 2)[1] == _DATED and int(value) + SKEW_S >= now_s
    ]
    return (*(serial for key in live for _, _, serial in _read(memory, key, now_s)), *prepaid)


def last_day(listed: bytes) -> int:
    """The last day that is billed of a certificate with this entry on the list."""
    return listed_at_s(listed) // DAY_S + SPREAD_DAYS


def certified(
    memory: Memory, account: Account, promise: tuple[int, int, str], now_s: int, until_s: int
) -> Put:
    """The live ones and this one; `Overlimit` above the credit that the account has."""
    live_key, revoked_key = keys_of(account.id)
    live = _read(memory, live_key, now_s)
    if len(live) >= LIVE_MAX:
        raise Overlimit("certificates_too_many", f"an account has {LIVE_MAX} at a time at most")
    sum_micro = promise[1] + sum(limit_micro for _, limit_micro, _ in live)
    if sum_micro > account.credit_limit_micro:
        raise Overlimit(
            "credit_all_certified",
            "give back what is not used (`farthing wallet return`), in this account's other wallets"
            " too, or ask for more credit",
        )
    sum_micro += sum(limit_micro for _, limit_micro, _ in _read(memory, revoked_key, now_s))
    if sum_micro > 2 * account.credit_limit_micro:
        raise Overlimit(
            "credit_revoked_lately",
            "what was revoked is still billed for a day or two: wait, or ask for more credit",
        )
    return _written(live_key, [*live, promise], until_s)


def revoked(
    memory: Memory, account_id: str, serial: str, listed: bytes, now_s: int, until_s: int
) -> tuple[Put, Put]:
    """Both records, once a certificate is on the list."""
    live_key, revoked_key = keys_of(account_id)
    live, gone = (_read(memory, key, now_s) for key in (live_key, revoked_key))
    billed_until_s = (last_day(listed) + 1) * DAY_S
    gone += [
        (min(end_s, billed_until_s), limit_micro, one)
        for end_s, limit_micro, one in live
        if one == serial
    ]
    live = [promise for promise in live if promise[2] != serial]
    return _written(live_key, live, until_s), _written(revoked_key, gone, until_s)


def _read(memory: Memory, key: bytes, now_s: int) -> _Promises:
    """Those that still count."""
    found = msgspec.json.decode(memory.records.get(key, b"[]"), type=_Promises)
    return [promise for promise in found if promise[0] + SKEW_S >= now_s]


def _written(key: bytes, promises: _Promises, until_s: int) -> Put:
    return Put(key=key, value=msgspec.json.encode(promises), until_s=until_s)
