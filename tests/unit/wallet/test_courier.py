"""A voucher's way to its site: over one connection, whatever becomes of it."""

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from farthing.wallet import courier as module
from farthing.wallet.commands import Failed, Look, Request, Response, SendRequest
from farthing.wallet.courier import AGENT, Courier, goes_direct, new_client
from farthing.wallet.messages import JSON_BYTES_MAX

OK = b"HTTP/1.1 200 OK\r\nPayment-Receipt: caf\xe9\r\nContent-Length: 2\r\n\r\n{}"
LOOPBACK = ipaddress.ip_address("127.0.0.1")
PAID = (("Authorization", "Payment abc"), ("Accept-Encoding", "identity"))


class Site:
    """A server that answers with the next of some bytes, and hangs up where there are none."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.heads: list[bytes] = []
        self.lines = 0
        self.origin = ""
        self.tls: ssl.SSLContext | None = None


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            made.lines += 1
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = self.rfile.readline()
                    if not line:
                        return
                    head += line
                made.heads.append(head)
                if not made.answers:
                    return
                self.wfile.write(made.answers.pop(0))

    class Server(ThreadingTCPServer):
        def get_request(self) -> Any:
            line, address = super().get_request()
            if made.tls is not None:
                line = made.tls.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
            return line, address

        def handle_error(self, *_: Any) -> None:
            """A payer that does not trust it hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.origin = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def courier(site: Site) -> Iterator[Courier]:
    made = Courier(site.origin + "/caf%C3%A9?32", timeout_s=10)
    yield made
    made.close()


def voucher(site: Site) -> Request:
    return Request(method="GET", url=site.origin + "/caf%C3%A9?32", headers=PAID)


def test_vouchers_go_over_one_connection_as_the_wallets_other_requests(
    site: Site, courier: Courier
) -> None:
    site.answers = [OK, OK, OK]
    said = [courier.send(voucher(site)) for _ in range(3)]
    assert site.lines == 1
    first = said[0]
    assert isinstance(first, Response)
    assert (first.status, first.body, first.value("payment-receipt")) == (200, b"{}", "caf\xe9")
    head = site.heads[0].lower()
    assert head.startswith(b"get /caf%c3%a9?32 http/1.1\r\n")
    assert b"authorization: payment abc\r\n" in head
    assert head.count(b"accept-encoding: identity\r\n") == 1
    with httpx.Client() as client:
        assert client.headers["user-agent"] == AGENT


def test_each_payment_goes_to_its_own_address_of_the_site(site: Site, courier: Courier) -> None:
    site.answers = [OK, OK]
    for ticks in (1, 2):
        url = f"{site.origin}/streams/a:b?ticks={ticks}"
        courier.send(Request(method="POST", url=url, headers=PAID))
    assert site.lines == 1
    lines = [head.partition(b" HTTP")[0] for head in site.heads]
    assert lines == [b"POST /streams/a:b?ticks=1", b"POST /streams/a:b?ticks=2"]
    assert all(b"content-length: 0\r\n" in head.lower() for head in site.heads)


def test_only_what_is_paid_goes_this_way(site: Site, courier: Courier) -> None:
    site.answers = [OK]
    paid = SendRequest(request=voucher(site), leg="paid")
    others = SendRequest(request=voucher(site), leg="outcome"), Look()
    assert isinstance(courier.answer(lambda _: "by others", paid), Response)
    assert [courier.answer(lambda _: "by others", each) for each in others] == ["by others"] * 2
    assert len(site.heads) == 1


def test_a_site_that_hangs_up_is_a_failure_and_the_next_goes_over_a_new_connection(
    site: Site, courier: Courier
) -> None:
    assert courier.send(voucher(site)) == Failed(reason="RemoteDisconnected")
    site.answers = [OK]
    assert isinstance(courier.send(voucher(site)), Response)
    assert site.lines == 2


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000])
def test_what_is_no_http_is_a_failure(site: Site, courier: Courier, answer: bytes) -> None:
    site.answers = [answer]
    assert isinstance(courier.send(voucher(site)), Failed)


def test_a_body_above_the_limit_is_cut_and_its_rest_is_no_answer(
    site: Site, courier: Courier
) -> None:
    long = b"x" * (JSON_BYTES_MAX + 1)
    site.answers = [b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n%b" % (len(long), long), OK]
    said = courier.send(voucher(site))
    assert isinstance(said, Response)
    assert (said.status, len(said.body)) == (403, JSON_BYTES_MAX)
    after = courier.send(voucher(site))
    assert isinstance(after, Response)
    assert (after.body, site.lines) == (b"{}", 2)


def test_a_connection_that_was_long_silent_is_not_used_again(site: Site) -> None:
    courier = Courier(site.origin, idle_s=-1)
    site.answers = [OK, OK]
    for _ in range(2):
        assert isinstance(courier.send(voucher(site)), Response)
    courier.close()
    assert site.lines == 2


def test_nobody_there_is_a_failure() -> None:
    courier = Courier("http://127.0.0.1:9/x", timeout_s=5)
    asked = Request(method="GET", url="http://127.0.0.1:9/x")
    assert courier.send(asked) == Failed(reason="ConnectionRefusedError")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody has signed but itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = folder / "tls.pem", folder / "tls.key"
    written[0].write_bytes(made.public_bytes(Encoding.PEM))
    written[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return written


def test_a_certificate_is_verified_as_for_all_other_requests(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, key = certificate(tmp_path)
    site.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    site.tls.load_cert_chain(chain, key)
    url = site.origin.replace("http:", "https:") + "/x"
    asked = Request(method="GET", url=url, headers=PAID)
    for trusted in (False, True):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        module._tls.cache_clear()
        site.answers = [OK]
        courier = Courier(url, timeout_s=10)
        said = courier.send(asked)
        courier.close()
        if trusted:
            assert isinstance(said, Response)
        else:
            assert said == Failed(reason="SSLCertVerificationError")
            assert site.heads == []
    module._tls.cache_clear()


def test_who_has_a_proxy_or_a_client_of_its_own_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert goes_direct(None)
    with httpx.Client() as client:
        assert not goes_direct(client)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:8080")
    assert not goes_direct(None)


def test_a_wallet_keeps_no_cookie() -> None:
    """By one a broker would know whose coins it signs."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie", ""))
        return httpx.Response(200, headers={"set-cookie": "account=alice; Path=/"})

    with new_client() as client:
        client._transport = httpx.MockTransport(answer)
        for _ in range(2):
            client.get("http://broker.example/balance")
    assert seen == ["", ""]
