"""Clearing: a vendor shows a batch of claims, and each is paid once or refused by itself.

A batch has an id (its idempotency key), up to 10,000 claims and 8 MiB. It goes through in chunks,
each one transaction, so the writer is never blocked for long; the last has the answer of the batch
in it too. Until then every claim has its own stored answer, so a batch that a crash cut in two is
finished by sending it again. The commission is rounded once per chunk with its remainder carried,
which sums to the same.
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


class _Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one claim."""

    asked: Asked
    result: dict[str, Json]
    refusal: Refusal | None = None
    """Where this transaction refused it."""
    until_s: int = 0
    """How long its answer must be kept, at least."""
    is_stored: bool = False
    """Whether an earlier transaction has answered it."""
    has_earned: bool = False


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
        results: list[dict[str, Json]] = []
        answer = b""
        for first in range(0, len(claims), CHUNK_CLAIMS):
            tasks = [
                Task(message=claim, account=account, at=books.at(mint))
                for claim in claims[first : first + CHUNK_CLAIMS]
            ]
            items = [
                _item(asked, number, digest)
                for number, digest in enumerate(digests[first : first + CHUNK_CLAIMS], first)
            ]
            checked = await self._checks.check_all(scheme, "redeem", tasks)
            step = partial(
                self._step,
                scheme=scheme,
                asked=asked,
                chunk=list(zip(items, tasks, checked, strict=True)),
                earlier=results,
                count=len(claims),
            )
            results, answer = await books.committer.do(step, atomic=True)
        return answer

    def _step(
        self,
        connection: apsw.Connection,
        scheme: str,
        asked: Asked,
        chunk: list[_Item],
        earlier: list[dict[str, Json]],
        count: int,
    ) -> tuple[list[dict[str, Json]], bytes]:
        """The results until now; with those of the last chunk, the answer; `Reused`.

        The first makes sure that nobody begins another batch under this key.
        """
        books = self._books
        if not earlier:
            begun = Asked(scope=f"{asked.scope}/begun", key=asked.key, digest=asked.digest)
            found = answers.once_only(
                connection, books.vault, begun, books.now_s(), lambda: (b"", 0)
            )
            if isinstance(found, Refusal):
                raise found
        done = self._chunk(connection, scheme, chunk)
        results = [*earlier, *(one.result for one in done)]
        if len(results) == count:
            return results, self._finish(connection, asked, results, done)
        for one in done:
            self._store(connection, one)
        return results, b""

    def _finish(
        self,
        connection: apsw.Connection,
        asked: Asked,
        results: list[dict[str, Json]],
        last: list[_Done],
    ) -> bytes:
        """The batch's answer, stored where every claim is decided; else those that are.

        `last`: the claims of this transaction, whose answers are stored only if they must be.
        """
        books = self._books
        undecided = {number for number, result in enumerate(results) if _is_open(result)}
        before = len(results) - len(last)
        over = [
            _key(asked, number)
            for number in range(len(results))
            if (number < before or last[number - before].is_stored)
            and (not undecided or number in undecided)
        ]
        answers.drop(connection, _scope(asked), over)
        answer = _assemble(asked.key, results)
        if undecided:
            for number, one in enumerate(last, before):
                if number not in undecided:
                    self._store(connection, one)
            return answer
        kept = answers.once_only(connection, books.vault, asked, books.now_s(), lambda: (answer, 0))
        assert isinstance(kept, bytes), "what is stored of a batch is no refusal"
        return kept

    def _chunk(self, connection: apsw.Connection, scheme: str, chunk: list[_Item]) -> list[_Done]:
        """What came of each claim; the commission of all is taken."""
        earned: dict[str, int] = {}
        earner = chunk[0][0]
        done: list[_Done] = []
        for item in chunk:
            done.append(self._one(connection, scheme, item, earned))
            if done[-1].has_earned:
                earner = item[0]
        # A claim earns once, whereas the first of a batch is there again whenever it is sent again.
        self._books.take_commission(connection, earned, (earner.scope, earner.key))
        return done

    def _one(
        self, connection: apsw.Connection, scheme: str, item: _Item, earned: dict[str, int]
    ) -> _Done:
        """One claim, as it was answered before, or carried out; what vendors `earned` grows."""
        asked, task, checked = item
        try:
            found = answers.find(connection, self._books.vault, asked)
        except Refusal as refusal:
            return _Done(asked=asked, result=_refused(refusal), is_stored=True)
        if found is not None:
            return _Done(asked=asked, result=msgspec.json.decode(found), is_stored=True)
        cause = (asked.scope, asked.key)
        try:
            if isinstance(checked, Refusal):
                raise checked
            with connection:
                applied = self._carry_out(connection, scheme, checked, task.at, cause, earned)
        except Refusal as refusal:
            return _Done(asked=asked, result=_refused(refusal), refusal=refusal)
        until_s = until_of(applied)
        if isinstance(applied, Refuted):
            return _Done(asked=asked, result=_refused(applied.refusal), until_s=until_s)
        has_earned = False
        for vendor_id, micro in clearing.earned(applied.flows).items():
            if micro > 0:
                earned[vendor_id] = earned.get(vendor_id, 0) + micro
                has_earned = True
        return _Done(asked=asked, result=_result(applied), until_s=until_s, has_earned=has_earned)

    def _store(self, connection: apsw.Connection, done: _Done) -> None:
        """A claim's own answer, unless it is stored."""
        vault, until_s = self._books.vault, self._books.now_s() + answers.KEPT_S
        if done.refusal is not None:
            answers.keep_refusal(connection, vault, done.asked, done.refusal, until_s)
        elif not done.is_stored:
            answer = msgspec.json.encode(done.result)
            answers.keep(connection, vault, done.asked, answer, max(done.until_s, until_s))

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
    return Asked(scope=_scope(asked), key=_key(asked, number), digest=digest)


def _scope(asked: Asked) -> str:
    """Of the answers to a batch's claims."""
    return f"{asked.scope}/item"


def _key(asked: Asked, number: int) -> str:
    return f"{asked.key}#{number}"


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
