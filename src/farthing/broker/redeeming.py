"""Clearing: a vendor shows a batch of claims, and each is paid once or refused by itself.

A batch has an id (its idempotency key), up to 10,000 claims and 8 MiB. It goes through in chunks,
each one transaction, so the writer is never blocked for long; every claim has its own stored
answer until the batch has one, so a batch that a crash cut in two is finished by sending it again.
The commission is rounded once per chunk with its remainder carried, which sums to the same.
"""

import hashlib
from functools import partial

import apsw
import msgspec

from farthing.broker import answers, clearing, facts
from farthing.broker.answers import Asked
from farthing.broker.books import Books, until_of
from farthing.broker.checks import Checks, Outcome, Task
from farthing.errors import Refusal, Throttled, TooLarge, Unfunded, row_of
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Challenge,
    Checked,
    Json,
    Redeemed,
    Waiting,
)
from farthing.schemes.refutals import Refuted

CLAIMS_MAX = 10_000  # per batch: a day of a small shop, and 8 MiB at 800 bytes each
CHUNK_CLAIMS = 200  # in one transaction: some 30 ms of the writer
SHORT_S = 60  # when a vendor whose balance is too low may ask again; gates sweep as often

_Item = tuple[Asked, Task, Outcome]


class Redeeming:
    """Batches of claims."""

    def __init__(self, books: Books, checks: Checks) -> None:
        """Over the broker's books."""
        self._books = books
        self._checks = checks
        self._in_flight: set[str] = set()

    async def redeem(self, scheme: str, claims: list[bytes], account: Account, key: str) -> bytes:
        """`{"batch", "paidMicro", "results": [...]}`, stored under `key`; each claim is JSON.

        A result is `{"state": "paid", "paidMicro", "takenMicro"?, "answer"?, "forPayer"?}`
        (`takenMicro` is what the vendor gave back for a payer), `{"state":
        "challenge", "answer"}`, `{"state": "waiting", "untilS"}` or `{"state": "refused",
        "refusal", "code", "status", "retry", "detail", "facts"}`, in the order of the claims; a
        claim refused with retry "same" may be shown again, as may one that waits or is challenged:
        while there are such, the answer is not stored and the same batch asks for them anew.
        `TooLarge`; `Throttled` while another batch of this vendor is under way; `Reused`.
        """
        books = self._books
        books.mint(scheme)
        if not 1 <= len(claims) <= CLAIMS_MAX:
            raise TooLarge("batch_too_large", f"a batch has 1 to {CLAIMS_MAX} claims")
        digests = [hashlib.sha256(claim).digest() for claim in claims]
        asked = Asked(
            scope=f"{account.id}/redeem/{scheme}",
            key=key,
            digest=hashlib.sha256(b"".join(digests)).digest(),
        )
        found = books.stored(asked)
        if found is not None:
            return found
        if account.id in self._in_flight:
            raise Throttled("batch_in_flight", "one batch at a time; send this one again")
        self._in_flight.add(account.id)
        try:
            return await self._run(scheme, claims, digests, account, asked)
        finally:
            self._in_flight.remove(account.id)

    async def _run(
        self,
        scheme: str,
        claims: list[bytes],
        digests: list[bytes],
        account: Account,
        asked: Asked,
    ) -> bytes:
        books = self._books
        mint = books.mint(scheme)
        begun = Asked(scope=f"{asked.scope}/begun", key=asked.key, digest=asked.digest)
        await books.answered(begun, lambda db: (b"", 0))
        results: list[dict[str, Json]] = []
        items = [_item(asked, number, digest) for number, digest in enumerate(digests)]
        for first in range(0, len(claims), CHUNK_CLAIMS):
            tasks = [
                Task(message=claim, account=account, at=books.at(mint))
                for claim in claims[first : first + CHUNK_CLAIMS]
            ]
            checked = await self._checks.check_all(scheme, "redeem", tasks)
            chunk = list(zip(items[first : first + CHUNK_CLAIMS], tasks, checked, strict=True))
            results += await books.committer.do(
                partial(self._chunk, scheme=scheme, chunk=chunk), atomic=True
            )

        undecided = [item.key for item, one in zip(items, results, strict=True) if _is_open(one)]
        over = undecided or [item.key for item in items]

        def finish(connection: apsw.Connection) -> tuple[bytes, int]:
            answers.drop(connection, f"{asked.scope}/item", over)
            return _assemble(asked.key, results), 0

        if undecided:
            answer, _ = await books.committer.do(finish)
            return answer
        return await books.answered(asked, finish)

    def _chunk(
        self, connection: apsw.Connection, scheme: str, chunk: list[_Item]
    ) -> list[dict[str, Json]]:
        books = self._books
        earned: dict[str, int] = {}
        earner = chunk[0][0]
        results: list[dict[str, Json]] = []
        for asked, task, checked in chunk:

            def work(item: _Item = (asked, task, checked)) -> tuple[bytes, int]:
                nonlocal earner
                asked, task, checked = item
                if isinstance(checked, Refusal):
                    raise checked
                cause = (asked.scope, asked.key)
                applied = self._carry_out(connection, scheme, checked, task.at, cause, earned)
                if isinstance(applied, Refuted):
                    return msgspec.json.encode(_refused(applied.refusal)), until_of(applied)
                for vendor_id, micro in clearing.earned(applied.flows).items():
                    if micro > 0:
                        earned[vendor_id] = earned.get(vendor_id, 0) + micro
                        earner = asked
                return msgspec.json.encode(_result(applied)), until_of(applied)

            now_s = books.now_s()
            found = answers.once_only(connection, books.vault, asked, now_s, work)
            assert found is not None, "a claim has an answer"
            results.append(
                _refused(found) if isinstance(found, Refusal) else msgspec.json.decode(found)
            )
        # A claim earns once, whereas the first of a batch is there again whenever it is sent again.
        books.take_commission(connection, earned, (earner.scope, earner.key))
        return results

    def _carry_out(
        self,
        connection: apsw.Connection,
        scheme: str,
        checked: Checked,
        at: At,
        cause: tuple[str, str],
        earned: dict[str, int],
    ) -> Applied:
        """One claim. One by which the vendor gives something back waits until it has that much.

        The commission of it comes back first, so that who earned a page can give back its price;
        that of what was `earned` before it in this chunk is taken, since it is not the vendor's.
        """
        books, mint = self._books, self._books.mint(scheme)
        memory = facts.read(connection, mint.recall(checked))
        applied = mint.apply(checked, memory, at)
        given_back = {
            vendor_id: micro
            for vendor_id, micro in clearing.earned(applied.flows).items()
            if micro < 0
        }
        if not given_back:
            books.enact(connection, scheme, applied, cause, kind=checked.operation)
            return applied
        try:
            with connection:
                books.take_commission(connection, earned, (*cause, "before"))
                books.take_commission(connection, given_back, (*cause, "back"))
                books.enact(connection, scheme, applied, cause, kind=checked.operation)
        except Unfunded:
            return Waiting(until_s=at.now_s + SHORT_S)
        earned.clear()
        return applied


def _item(asked: Asked, number: int, digest: bytes) -> Asked:
    return Asked(scope=f"{asked.scope}/item", key=f"{asked.key}#{number}", digest=digest)


def _result(applied: Applied) -> dict[str, Json]:
    match applied:
        case Challenge():
            return {"state": "challenge", "answer": applied.answer}
        case Waiting():
            return {"state": "waiting", "untilS": applied.until_s}
        case _:
            paid_micro = applied.paid_micro if isinstance(applied, Redeemed) else 0
            result: dict[str, Json] = {"state": "paid", "paidMicro": max(paid_micro, 0)}
            if paid_micro < 0:
                result["takenMicro"] = -paid_micro
            if applied.answer is not None:
                result["answer"] = applied.answer
            if applied.for_payer is not None:
                result["forPayer"] = applied.for_payer
            return result


def _is_open(result: dict[str, Json]) -> bool:
    """Whether a claim may end otherwise when it is shown again."""
    state = result["state"]
    return state in {"challenge", "waiting"} or (state == "refused" and result["retry"] == "same")


def _refused(refusal: Refusal) -> dict[str, Json]:
    row = row_of(refusal)
    return {
        "state": "refused",
        "refusal": type(refusal).__name__,
        "code": refusal.code,
        "status": row.status,
        "retry": row.retry,
        "detail": refusal.detail,
        "facts": refusal.facts,
    }


def _assemble(batch: str, results: list[dict[str, Json]]) -> bytes:
    paid_micro = sum(result.get("paidMicro", 0) for result in results)
    return msgspec.json.encode({"batch": batch, "paidMicro": paid_micro, "results": results})
