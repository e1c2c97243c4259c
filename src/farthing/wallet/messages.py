"""What goes over the network: requests, answers, and how large the latter may be."""

import hashlib

import msgspec

HEADERS_BYTES_MAX = 32 * 1024  # of one answer: eight offers in two dialects need 14 KiB
JSON_BYTES_MAX = 64 * 1024  # of a refusal or a receipt; ours have under 4 KiB
SEALED_BYTES_MAX = 1536 * 1024  # of a price list, or a sealed answer: 1 MiB in base64url

Headers = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. Its repr shows no header and no query."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    page: str = ""
    """Of a top-up: the address of what it pays for; it is not sent."""

    def __repr__(self) -> str:
        """Method and address without the query."""
        return f"Request({self.method} {self.url.partition('?')[0]})"

    @property
    def body_digest(self) -> bytes:
        """SHA-256 of the body, empty where there is none."""
        return hashlib.sha256(self.body).digest() if self.body else b""

    def with_header(self, name: str, value: str) -> "Request":
        """The same request with one header set."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return msgspec.structs.replace(self, headers=(*others, (name, value)))


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer, and the body where it is a refusal's."""

    status: int
    url: str
    """Where the answer came from: another address than was asked after a redirect."""
    headers: Headers = ()
    """Names in lower case."""
    body: bytes = b""
    """Of JSON answers to a payment or an enquiry, at most `JSON_BYTES_MAX`; of a page that was
    bought in private; else empty."""
    redirected: Request | None = None
    """The request that it answers, where redirects have made it another than was sent."""

    def __repr__(self) -> str:
        """The status only."""
        return f"Response({self.status})"

    def answers(self, request: Request) -> Request:
        """The request that it answers: `request`, or what redirects have made of it."""
        return self.redirected or msgspec.structs.replace(request, url=self.url)

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order; `name` in lower case."""
        return tuple([value for key, value in self.headers if key == name])

    def value(self, name: str) -> str:
        """The first value of a header, or ""; `name` in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """No answer came: the connection was refused, broke, or took too long."""

    reason: str


Sent = Response | Failed
