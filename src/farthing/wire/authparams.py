"""HTTP authentication syntax (RFC 9110, section 11): schemes, token68 and auth-params, strictly.

One header line may hold several challenges or credentials, joined by commas as their parameters
are; a line that does not parse to its end is refused whole. Every pattern is linear in the line: no
repetition gives back what it has taken, since nothing that may follow begins like it.
"""

import re

import msgspec

from farthing.errors import Malformed

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105 - a pattern of the grammar, no secret
_TOKEN68 = r"[0-9A-Za-z._~+/-]++=*+"
_TEXT = r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*+)"'
_END = r"[ \t]*+(?:,[ \t,]*+|\Z)"
_PARAM = re.compile(rf"({_TOKEN})[ \t]*+=[ \t]*+(?:({_TOKEN})|{_TEXT}){_END}")
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]++({_TOKEN68}){_END}|{_END}|[ \t]++(?={_TOKEN}[ \t]*+=))")
_ESCAPE = re.compile(r"\\(.)")
_UNSAFE = re.compile(r"[^\x20-\x7e]")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One challenge or one credential of a header line."""

    scheme: str
    """In lower case."""
    token: str
    """The token68, or empty."""
    params: tuple[tuple[str, str], ...]
    """Names in lower case, in order, repeats kept; values without their quotes."""


def read_parts(line: str) -> tuple[Part, ...]:
    """Everything in one header line; `Malformed` if any of it does not parse."""
    if not line.isascii():
        _require_text(line)
    heads: list[tuple[str, str]] = []
    params: list[list[tuple[str, str]]] = []
    at = len(line) - len(line.lstrip(" \t,"))
    while at < len(line):
        param = _PARAM.match(line, at)
        if param is not None and heads and not heads[-1][1]:
            name, plain, quoted = param.groups()
            if quoted is not None:
                plain = _ESCAPE.sub(r"\1", quoted) if "\\" in quoted else quoted
            params[-1].append((name.lower(), plain))
            at = param.end()
            continue
        scheme = _SCHEME.match(line, at)
        if scheme is None:
            raise Malformed("auth_header_malformed", "expected schemes with auth-params")
        heads.append((scheme[1].lower(), scheme[2] or ""))
        params.append([])
        at = scheme.end()
    return tuple(
        Part(scheme=scheme, token=token, params=tuple(pairs))
        for (scheme, token), pairs in zip(heads, params, strict=True)
    )


def _require_text(line: str) -> None:
    """`Malformed` for what no encoding holds: it could not be echoed."""
    try:
        line.encode()
    except UnicodeEncodeError:
        raise Malformed("auth_header_malformed", "a lone surrogate is not text") from None


def tokens_of(scheme: str, line: str) -> list[str]:
    """The tokens of every credential of `scheme` (lower case) in a line, others left alone.

    Empty texts for credentials without one, and for a line of ours that does not parse.
    """
    first, _, rest = line.strip().partition(" ")
    ours = first.lower() == scheme
    if ours and "," not in rest:
        return [rest.strip()]
    if scheme not in line.lower():
        return []
    try:
        return [part.token for part in read_parts(line) if part.scheme == scheme]
    except Malformed:
        return [""] if ours else []


def quoted(value: str) -> str:
    """`value` as a quoted-string; `Malformed` for anything but printable ASCII."""
    if _UNSAFE.search(value):
        raise Malformed("auth_param_unprintable", "auth-params are printable ASCII")
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
