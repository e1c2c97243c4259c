"""`farthing vendor serve` as a process, before an origin that misbehaves to order."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.vendor.conftest import Running
from tests.kit.folder import PRICE_MICRO

MIB = 1024 * 1024
UPLOAD_MIB = 24  # far more than any buffer on the way
LOGIN = "Basic cGF5ZXI6c2VjcmV0"


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=20) as opened:
        yield opened


def pay(
    running: Running, client: httpx.Client, path: str, method: str = "GET", **asked: str
) -> tuple[str, str]:
    """The header that pays for a path."""
    answer = client.request(method, path, headers=asked)
    assert answer.status_code == 402, answer.text
    return running.folder.pay(answer.headers["www-authenticate"], path, method)


def buy(running: Running, client: httpx.Client, name: str, method: str = "GET") -> httpx.Response:
    path = f"/sold/{name}"
    return client.request(method, path, headers=[pay(running, client, path, method)])


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["page", "informs", "twice", "chunked", "closes_at_the_end"])
def test_a_page_is_sold_however_the_origin_frames_it(
    running: Running, client: httpx.Client, name: str
) -> None:
    before_micro = running.folder.earned_micro()
    answer = buy(running, client, name)
    assert (answer.status_code, answer.text) == (200, "the page")
    assert answer.headers["payment-receipt"] != "forged"
    assert answer.headers["farthing-reply"].startswith(("whole mac:", "stream mac:"))
    assert answer.headers["cache-control"] == "private"
    assert running.folder.earned_micro() == before_micro + PRICE_MICRO
    assert client.get(f"/free/{name}").text == "the page"


BROKEN = ["closes_early", "closes_midhead", "closes_midbody", "babbles", "failing"]


@pytest.mark.parametrize("name", BROKEN)
def test_an_origin_that_breaks_off_is_not_charged_for(
    running: Running, client: httpx.Client, name: str
) -> None:
    before_micro = running.folder.earned_micro()
    answer = buy(running, client, name)
    assert answer.status_code == (500 if name == "failing" else 502)
    assert answer.headers["payment-outcome"] == "released"
    assert "payment-receipt" not in answer.headers
    assert running.folder.earned_micro() == before_micro


def test_an_origin_that_hangs_is_not_charged_for(running: Running, client: httpx.Client) -> None:
    header = pay(running, client, "/sold/hangs")
    answer = client.get("/sold/hangs", headers=[header])
    assert (answer.status_code, answer.json()["code"]) == (502, "origin_timed_out")
    assert answer.headers["payment-outcome"] == "released"


def test_a_payer_who_leaves_a_hanging_page_has_the_mark_back_at_once(
    running: Running, client: httpx.Client
) -> None:
    header = pay(running, client, "/sold/hangs")
    with pytest.raises(httpx.ReadTimeout):
        client.get("/sold/hangs", headers=[header], timeout=0.3)
    answer = client.get("/sold/hangs", headers=[header])
    while answer.status_code == 409:  # until the gate has noticed, or the origin's time is over
        answer = client.get("/sold/hangs", headers=[header])
    assert answer.headers["payment-outcome"] == "released"


def test_a_stream_that_breaks_off_after_its_head_breaks_off_for_the_payer(
    running: Running, client: httpx.Client
) -> None:
    for path in ("/free/closes_midchunk", "/sold/closes_midchunk"):
        headers = [pay(running, client, path)] if path.startswith("/sold") else []
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(path, headers=headers)


@pytest.mark.parametrize(("name", "status"), [("nothing", 204), ("unchanged", 304)])
def test_an_answer_without_a_body_charges(
    running: Running, client: httpx.Client, name: str, status: int
) -> None:
    answer = buy(running, client, name)
    assert (answer.status_code, answer.content) == (status, b"")
    assert "payment-receipt" in answer.headers


def test_a_head_is_sold_with_its_length_and_without_a_body(
    running: Running, client: httpx.Client
) -> None:
    answer = buy(running, client, "page", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "8"


def test_a_long_page_streams_after_its_confirm(running: Running, client: httpx.Client) -> None:
    header = pay(running, client, "/sold/long")
    before_micro = running.folder.earned_micro()
    with client.stream("GET", "/sold/long", headers=[header]) as answer:
        assert answer.headers["content-length"] == str(3 * MIB)
        assert running.folder.earned_micro() == before_micro + PRICE_MICRO
        assert len(answer.read()) == 3 * MIB


def test_events_come_one_by_one(running: Running, client: httpx.Client) -> None:
    running.origin.go_on.clear()
    header = pay(running, client, "/sold/events")
    with client.stream("GET", "/sold/events", headers=[header]) as answer:
        events = answer.iter_text()
        assert next(events) == "data: 1\n\n", "before the second is there"
        running.origin.go_on.set()
        assert next(events) == "data: 2\n\n"


def test_the_same_payment_again_brings_the_same_receipt(
    running: Running, client: httpx.Client
) -> None:
    header = pay(running, client, "/sold/page")
    before_micro = running.folder.earned_micro()
    answers = [client.get("/sold/page", headers=[header]) for _ in range(3)]
    assert {answer.text for answer in answers} == {"the page"}
    assert len({answer.headers["payment-receipt"] for answer in answers}) == 1
    assert running.folder.earned_micro() == before_micro + PRICE_MICRO
    assert running.origin.heard[-1].values("x-pay-replay") == ["true"]


def test_thirty_two_arrivals_at_once_are_charged_once(running: Running) -> None:
    with httpx.Client(base_url=running.url, trust_env=False) as one:
        header = pay(running, one, "/sold/page")
    before_micro = running.folder.earned_micro()
    answers: list[httpx.Response] = []

    def go() -> None:
        with httpx.Client(base_url=running.url, trust_env=False, timeout=20) as client:
            answers.append(client.get("/sold/page", headers=[header]))

    threads = [threading.Thread(target=go) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({a.headers["payment-receipt"] for a in answers if a.status_code == 200}) == 1
    assert running.folder.earned_micro() == before_micro + PRICE_MICRO


# --- requests -----------------------------------------------------------------------------------


def echo(answer: httpx.Response) -> dict[str, Any]:
    """What the origin heard, headers as lists by name."""
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    said["headers"] = [tuple(pair) for pair in said["headers"]]
    return said


def values(said: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in said["headers"] if key == name]


SPOOFED = {
    "X-Forwarded-For": "198.51.100.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X_Forwarded_For": "198.51.100.1",
    "Forwarded": "for=198.51.100.1",
    "X-Pay-Payer": "mallory",
    "X_Pay_Payer": "mallory",
    "X-Pay-Replay": "true",
}


@pytest.mark.parametrize("where", ["free", "sold"])
def test_what_only_we_may_say_is_ours(running: Running, client: httpx.Client, where: str) -> None:
    path = f"/{where}/echo"
    headers = list(SPOOFED.items())
    if where == "sold":
        headers.append(pay(running, client, path))
    said = echo(client.get(path, headers=headers))
    assert "198.51.100.1" not in json.dumps(said)
    assert "mallory" not in json.dumps(said)
    assert values(said, "x-forwarded-for") == ["127.0.0.1"]
    assert values(said, "x-forwarded-proto") == ["http"]
    assert values(said, "x-forwarded-host") == [httpx.URL(running.url).netloc.decode()]
    assert values(said, "x-pay-replay") == []
    assert values(said, "x-pay-amount") == (["200"] if where == "sold" else [])


def test_hop_by_hop_headers_end_here_both_ways(running: Running, client: httpx.Client) -> None:
    hops = {"Connection": "keep-alive, X-Secret-Hop", "X-Secret-Hop": "1", "TE": "trailers"}
    hops |= {"Proxy-Authorization": "Basic eA==", "Keep-Alive": "timeout=5", "X-Kept": "1"}
    said = echo(client.get("/free/echo", headers=hops))
    names = {name for name, _ in said["headers"]}
    assert names.isdisjoint({"x-secret-hop", "te", "proxy-authorization", "keep-alive"})
    assert values(said, "x-kept") == ["1"]
    answer = client.get("/free/twice")
    assert {"x-hop", "keep-alive"}.isdisjoint(answer.headers)
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert client.cookies, "for the payer, and for nobody else"
    with httpx.Client(base_url=running.url, trust_env=False) as other:
        assert values(echo(other.get("/free/echo")), "cookie") == []


def test_the_sites_own_login_passes_beside_a_payment(
    running: Running, client: httpx.Client
) -> None:
    header = pay(running, client, "/sold/echo", Authorization=LOGIN)
    assert header[0] == "Payment-Authorization", "the gate leaves Authorization to the login"
    said = echo(client.get("/sold/echo", headers=[header, ("Authorization", LOGIN)]))
    assert values(said, "authorization") == [LOGIN]
    assert "payment-authorization" not in dict(said["headers"])


@pytest.mark.parametrize("where", ["free", "sold"])
def test_no_payment_reaches_the_origin(running: Running, client: httpx.Client, where: str) -> None:
    name, value = pay(running, client, "/sold/echo")
    combined = (name, f'{value}, Digest username="ann", uri="/a,b"')
    said = echo(client.get(f"/{where}/echo", headers=[combined]))
    assert value.split()[1] not in json.dumps(said)
    assert values(said, "authorization") == ['digest username="ann", uri="/a,b"']


def test_an_x402_payment_is_answered_in_x402(running: Running, client: httpx.Client) -> None:
    asked = client.get("/sold/echo")
    header = running.folder.pay_x402(asked.headers["payment-required"], "/sold/echo")
    answer = client.get("/sold/echo", headers=[header])
    assert "payment-response" in answer.headers
    assert "payment-receipt" not in answer.headers
    assert "payment-signature" not in dict(echo(answer)["headers"])


def blocks() -> Iterator[bytes]:
    for number in range(UPLOAD_MIB * 16):
        yield bytes([number % 256]) * (MIB // 16)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("where", ["free", "sold"])
def test_an_upload_streams_through(
    running: Running, client: httpx.Client, where: str, framing: str
) -> None:
    path, size_bytes = f"/{where}/echo", UPLOAD_MIB * MIB
    headers = [("Content-Length", str(size_bytes))] if framing == "length" else []
    if where == "sold":
        headers.append(pay(running, client, path, "POST"))
    said = echo(client.post(path, content=blocks(), headers=headers))
    assert said["size"] == size_bytes
    assert said["sha256"] == hashlib.sha256(b"".join(blocks())).hexdigest()
    assert values(said, "transfer-encoding") == ([] if framing == "length" else ["chunked"])


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_a_payment_binds_reaches_the_origin_unchanged(
    running: Running, client: httpx.Client, framing: str
) -> None:
    body, path = b"a body " * 100_000, "/bound/echo"
    content = body if framing == "length" else iter([body[:5], body[5:]])
    header = running.folder.pay(
        client.post(path, content=body).headers["www-authenticate"], path, "POST"
    )
    other = client.post(path, content=body[:-1], headers=[header])
    assert (other.status_code, other.json()["code"]) == (402, "challenge_for_another_body")
    said = echo(client.post(path, content=content, headers=[header]))
    assert (said["size"], said["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    over = client.post(path, content=b"x" * (MIB + 1))
    assert (over.status_code, over.json()["code"]) == (413, "too_large")


def test_a_post_without_a_body_says_so(running: Running, client: httpx.Client) -> None:
    said = echo(client.post("/free/echo"))
    assert (said["size"], values(said, "content-length")) == (0, ["0"])


def test_an_unpaid_upload_is_answered_before_its_body_is_read(running: Running) -> None:
    with socket.create_connection(_address(running), timeout=5) as raw:
        raw.sendall(
            b"POST /sold/echo HTTP/1.1\r\nHost: news.example\r\nContent-Length: 1000000000\r\n\r\n"
        )
        assert raw.recv(64).startswith(b"HTTP/1.1 402")


def test_a_target_goes_to_the_origin_as_it_came(running: Running, client: httpx.Client) -> None:
    for target in ("/free/page?q=a%20b&c=%E2%82%AC", "/free/..;/free/page", "/free//%20/page"):
        with socket.create_connection(_address(running), timeout=5) as raw:
            line = f"GET {target} HTTP/1.1\r\nHost: news.example\r\nConnection: close\r\n\r\n"
            raw.sendall(line.encode())
            assert raw.recv(64).startswith(b"HTTP/1.1 200")
        assert running.origin.heard[-1].target == target


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /sold//page", 402),
        ("GET /free/..;/sold/page", 402),
        ("GET /sold;a=1/page", 402),
        ("GET //sold/page", 400),
        ("GET /free/../sold/page", 400),
        ("GET /./sold//page", 400),
        ("GET /free/%2e%2e/sold/page", 400),
        ("GET /sold%5cpage", 400),
        ("get /sold/page", 400),
    ],
)
def test_another_spelling_is_no_way_around_the_price(
    running: Running, line: str, status: int
) -> None:
    count = len(running.origin.heard)
    with socket.create_connection(_address(running), timeout=5) as raw:
        raw.sendall(f"{line} HTTP/1.1\r\nHost: news.example\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(64).startswith(b"HTTP/1.1 %d" % status)
    assert len(running.origin.heard) == count


SMUGGLED = [
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n",
]


@pytest.mark.parametrize("framing", SMUGGLED)
def test_a_body_whose_length_is_said_twice_reaches_nobody(running: Running, framing: bytes) -> None:
    """Refused, or read in one way and passed on in that one."""
    heard = len(running.origin.heard)
    with socket.create_connection(_address(running), timeout=5) as raw:
        raw.sendall(b"POST /free/echo HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n0\r\n\r\n")
        answer = raw.recv(1000)
    assert b"HTTP/1.1 200" not in answer or b"content-length" not in answer.split(b"\r\n\r\n")[1]
    assert len(running.origin.heard) <= heard + 1


@pytest.mark.parametrize("path", ["/sold/page", "/free/page"])
def test_a_web_socket_is_refused_clearly(running: Running, path: str) -> None:
    upgrade = (
        f"GET {path} HTTP/1.1\r\nHost: news.example\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(_address(running), timeout=5) as raw:
        raw.sendall(upgrade.encode())
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"code":"websocket_unsupported"' in answer


def test_headers_over_the_limit_are_refused_by_name(client: httpx.Client) -> None:
    answer = client.get("/sold/page", headers={"X-Long": "a" * 40_000})
    assert (answer.status_code, answer.json()["code"]) == (431, "too_large")


# --- secrets ------------------------------------------------------------------------------------


def test_no_secret_stands_in_the_log(running: Running, client: httpx.Client) -> None:
    """After everything above: keys, the token, and every credential that was sent."""
    name, value = pay(running, client, "/sold/failing")
    client.get("/sold/failing?password=TEST-QUERY-CANARY", headers=[(name, value)])
    log = running.log.read_text()
    assert log
    for word in ("TEST-TOKEN-CANARY", "TEST-QUERY-CANARY", value.split()[1], LOGIN):
        assert word not in log
    for key in running.folder.keys:
        if key.secret:
            assert key.secret.hex() not in log


def _address(running: Running) -> tuple[str, int]:
    url = httpx.URL(running.url)
    return url.host, int(url.port or 80)
