"""What must hold of each input: T9 of the reliability programme, one rule after the other."""

import re
import resource
import time
import tracemalloc
from typing import Any, NamedTuple

import msgspec

from farthing.errors import ROWS, Refusal
from tests.fuzz.parser import Parser

CPU_MS_MAX = 50  # of this thread: what others do on the machine does not count
MEMORY_BYTES_MAX = 64 * 1024 * 1024
TRIES = 5  # a slow input is slow each time; the quickest counts
TRACED_FROM_BYTES = 32 * 1024  # an input so long, or
TRACED_FROM_MS = 5  # so slow, or
TRACED_FROM_KIB = 8 * 1024  # one with which the process has grown so much, has its memory counted
CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class Outcome(NamedTuple):
    """How one input went."""

    broken: str
    """The rule that it broke and how; "" for none."""
    refused: str
    """The code of the refusal, "" where it was read."""
    cpu_ms: float


def judge(parser: Parser, raw: bytes, *, thorough: bool = False) -> Outcome:
    """One input against every rule; `thorough` counts its memory in any case."""
    grown_kib = _peak_kib()
    value, wrong, cpu_ms = _timed(parser, raw)
    grown_kib = _peak_kib() - grown_kib
    is_suspect = (
        len(raw) >= TRACED_FROM_BYTES or cpu_ms > TRACED_FROM_MS or grown_kib > TRACED_FROM_KIB
    )
    if cpu_ms > TRACED_FROM_MS:  # a collection of garbage, perhaps
        cpu_ms = min(_timed(parser, raw)[2] for _ in range(TRIES))
    refused = getattr(wrong, "code", "") or (type(wrong).__name__ if wrong else "")
    broken = _refusal(parser, wrong) if wrong is not None else _value(parser, raw, value)
    if not broken and cpu_ms > CPU_MS_MAX:
        broken = f"takes {cpu_ms:.0f} ms, and may take {CPU_MS_MAX}"
    if not broken and (thorough or is_suspect):
        broken = _memory(parser, raw)
    return Outcome(broken, refused, cpu_ms)


def _timed(parser: Parser, raw: bytes) -> tuple[Any, BaseException | None, float]:
    began_s = time.thread_time()
    value, wrong = _read(parser, raw)
    return value, wrong, (time.thread_time() - began_s) * 1000


def _read(parser: Parser, raw: bytes) -> tuple[Any, BaseException | None]:
    try:
        return parser.read(raw), None
    except Exception as wrong:  # noqa: BLE001 - what it raises is what is judged
        return None, wrong


def _refusal(parser: Parser, wrong: BaseException) -> str:
    """Only documented refusals, in words that can be sent."""
    if not isinstance(wrong, parser.refusals):
        return f"raises {type(wrong).__name__}: {str(wrong)[:100]!r} at {_place(wrong)}"
    if isinstance(wrong, Refusal):
        if type(wrong) not in ROWS:
            return f"raises {type(wrong).__name__}, which has no row in the table"
        if not CODE.fullmatch(wrong.code):
            return f"refuses with {wrong.code!r}, which is no code"
        try:
            msgspec.json.encode([wrong.detail, wrong.facts])
        except UnicodeEncodeError:
            return f"refuses ({wrong.code}) in words that no problem body can hold"
    return ""


def _place(wrong: BaseException) -> str:
    trace, place = wrong.__traceback__, "?"
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "/farthing/" in name:
            place = f"{name.rpartition('/farthing/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _value(parser: Parser, raw: bytes, value: Any) -> str:
    """Written and read again it is the same; where a form is canonical, it was written so."""
    if parser.write is None:
        return ""
    try:
        written = parser.write(value)
    except Exception as wrong:  # noqa: BLE001 - what was read can be written
        return f"reads what cannot be written: {type(wrong).__name__} at {_place(wrong)}"
    if parser.canonical and written != raw:
        return f"takes a second spelling of {written[:60]!r}"
    again, refusal = _read(parser, written)
    if refusal is not None:
        return f"does not read what it wrote: {refusal}"
    if again != value:
        return f"reads {again!r:.100} where it had read {value!r:.100}"
    return ""


def _memory(parser: Parser, raw: bytes) -> str:
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before_bytes = tracemalloc.get_traced_memory()[0]
        _read(parser, raw)
        peak_bytes = tracemalloc.get_traced_memory()[1] - before_bytes
    finally:
        if not was_tracing:
            tracemalloc.stop()
    if peak_bytes > MEMORY_BYTES_MAX:
        return f"takes {peak_bytes >> 20} MiB, and may take {MEMORY_BYTES_MAX >> 20}"
    return ""


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
