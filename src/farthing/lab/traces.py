"""A run as people read it: who did what to whom, at which virtual time, one line an event.

A trace has no secrets to show: bodies and headers are in it by their digests only, and the query
of a path is not in it at all. Source: ours.
"""

import re
from collections.abc import Iterable

NO_BODY = re.compile(r"(, body -)?( -)*$")  # "-" is the digest of nothing
SENTENCES = {
    "request": "{0} asks {1}: {2} {3}, body {4}",
    "answer": "{0} answers {1}: {2}, body {3}",
    "part": "{0} sends {1} a part, {2}",
    "up": "{0} starts",
    "killed": "{0} is killed: {1}",
    "refused": "{0} refuses to start: {1}",
}
"""By the kind of an event, for its words in their order; every other kind is shown as it is."""
ROUTINE = re.compile(r"/lists/|/\.well-known/farthing-keys$")  # gates ask once a minute


def tell(line: str) -> str:
    """One line of a `Trace` as a sentence."""
    at_s, kind, *words = line.split()
    form = SENTENCES.get(kind)
    told = " ".join((kind, *words))
    if form is not None:
        holes = form.count("{")
        words = [*words[: holes - 1], " ".join(words[holes - 1 :])]
        told = NO_BODY.sub("", form.format(*words))
    return f"{float(at_s):11.3f} s  {told}"


def eventful(lines: Iterable[str]) -> list[str]:
    """The lines of a `Trace` without what is asked for again and again, and its answers.

    The last line stays, whatever it is: it is where something was found.
    """
    asking: set[tuple[str, str]] = set()
    kept, line = list[str](), ""
    for line in lines:
        _, kind, *words = line.split()
        if kind == "request":
            who, site, _, path = words[:4]
            if ROUTINE.search(path):
                asking.add((who, site))
                continue
            asking.discard((who, site))  # what is answered next may be this
        elif kind == "answer" and (words[1], words[0]) in asking:
            asking.remove((words[1], words[0]))
            continue
        kept.append(line)
    return kept if not line or kept[-1:] == [line] else [*kept, line]


def tell_all(lines: Iterable[str]) -> list[str]:
    """Every line as a sentence."""
    return [tell(line) for line in lines]
