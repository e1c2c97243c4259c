"""A gate behind nginx, which ends TLS, with the configuration that the how-to prints."""

import datetime
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from farthing import gazette
from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.schemes import registry
from tests.integration.plugins.clients import CLIENTS, Stock
from tests.kit.programs import needed

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "put-a-proxy-before-a-gate.md"
PRINTED = re.findall(r"```(nginx|json)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
ARTICLE, OTHER = tuple(gazette.ARTICLES)[:2]
STREAM = "/index.html"
AROUND = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


class Site:
    """The public address, a wallet's file and who vouches for the address."""

    def __init__(self, room: Showroom, folder: Path, port: int) -> None:
        self.room, self.folder = room, folder
        self.url = f"https://localhost:{port}"
        self.environment = {
            "FARTHING_DATA": str(folder),
            "FARTHING_WALLET_PASSPHRASE": room.passphrase,
            "SSL_CERT_FILE": str(folder / "site.pem"),
            "REQUESTS_CA_BUNDLE": str(folder / "site.pem"),
        }

    def get(self, path: str, *options: str) -> tuple[bytes, str]:
        """What `farthing wallet get` writes and says."""
        command = servers.python("-m", "farthing.cli", "wallet", "get", self.url + path, *options)
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout, done.stderr.decode()


def certify(folder: Path) -> None:
    """A key and a certificate for localhost that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "site.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "site.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def configure(folder: Path, port: int, gate_url: str) -> Path:
    """The printed configuration with our names and ports, and what any nginx needs around it."""
    [(_, server)] = [each for each in PRINTED if each[0] == "nginx"]
    for printed, ours in (
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("server 127.0.0.1:8402;", f"server {gate_url.removeprefix('http://')};"),
        ("/etc/letsencrypt/live/news.example/fullchain.pem", f"{folder}/site.pem"),
        ("/etc/letsencrypt/live/news.example/privkey.pem", f"{folder}/site.key"),
        ("news.example", "localhost"),
    ):
        assert printed in server, "the how-to prints something else by now"
        server = server.replace(printed, ours)
    file = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is nobody else's
    file.write_text(AROUND.format(user=user, folder=folder, server=server))
    return file


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nginx, folder = needed("nginx"), tmp_path_factory.mktemp("nginx")
    certify(folder)
    schemes = [scheme.traits.name for scheme in registry.all_schemes()]  # with the largest 402
    with Showroom(folder, schemes, "", quiet=True) as room:
        port = servers.free_port()
        [(_, members)] = [each for each in PRINTED if each[0] == "json"]
        told = msgspec.json.decode("{" + members.replace("news.example", f"localhost:{port}") + "}")
        config = folder / "vendor" / "vendor.json"
        config.write_bytes(msgspec.json.encode(msgspec.json.decode(config.read_bytes()) | told))
        with (folder / "vendor" / "prices.toml").open("a") as prices:
            prices.write('\n[millicent]\nprotocol = "private"\n')
        servers.stop(room.processes["vendor"])
        room.start_gate()
        command = [nginx, "-c", str(configure(folder, port, room.gate_url))]
        over_plain_http = f"http://127.0.0.1:{port}"  # which nginx says is wrong: so it is up
        with servers.running(command, url=over_plain_http, log=folder / "nginx.out"):
            yield Site(room, folder, port)


def test_a_page_and_a_stream_are_paid_over_tls(site: Site) -> None:
    page, said = site.get(ARTICLE)
    assert page == (gazette.site_path() / ARTICLE.lstrip("/")).read_bytes()
    assert said.startswith("200, paid 0.0002 EUR (0.02 cent) by ")
    stream, said = site.get(STREAM, "--stream")
    assert stream == (gazette.site_path() / STREAM.lstrip("/")).read_bytes()
    assert said.startswith("200, paid 0.0005 EUR (0.05 cent) by ")


def test_a_page_is_bought_in_private(site: Site) -> None:
    page, said = site.get(OTHER, "--private")
    assert page == (gazette.site_path() / OTHER.lstrip("/")).read_bytes()
    assert said.endswith(" in private\n")


def test_the_largest_402_comes_whole_over_http_2(site: Site) -> None:
    command = [needed("curl"), "-s", "--http2", "--cacert", site.environment["SSL_CERT_FILE"]]
    done = subprocess.run(
        [*command, "-D", "-", "-o", "/dev/null", site.url + ARTICLE],
        capture_output=True,
        timeout=30,
        check=True,
    )
    with httpx.Client() as client:
        direct = client.get(site.room.gate_url + ARTICLE, headers={"host": site.url[8:]})
    head, *lines = done.stdout.decode().splitlines()
    names = [line.partition(":")[0] for line in lines if line]
    assert head.split()[:2] == ["HTTP/2", "402"]
    for name in ("www-authenticate", "payment-required"):
        assert names.count(name) == len(direct.headers.get_list(name)) > 0


def test_a_payment_of_16_kb_reaches_the_gate(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"authorization": "Payment " + "A" * 16_000}
    monkeypatch.setenv("SSL_CERT_FILE", site.environment["SSL_CERT_FILE"])
    with httpx.Client(headers=headers) as client:
        through = client.get(site.url + ARTICLE)
    assert (through.status_code, through.json()["code"]) == (402, "credential_malformed")


@pytest.mark.parametrize("stock", CLIENTS.values(), ids=CLIENTS)
def test_stock_clients_buy_over_tls(
    site: Site, stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, site.environment[name])
    with site.room.open_wallet(site.folder / "wallet.db", "millicent") as wallet:
        bought = stock.buy(wallet, [site.url + path for path in (ARTICLE, OTHER)])
        originals = [gazette.site_path() / path.lstrip("/") for path in (ARTICLE, OTHER)]
        assert bought == [(200, original.read_bytes()) for original in originals]
