"""A message goes to the address that was checked, under the name that was given."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.protocol.http.signatures import key_text
from server.webhooks import posting
from server.webhooks.addresses import LookUp
from server.webhooks.posting import Message, Poster
from tests.support.webhooks import LOCAL, OLD_SECRET, SECRET, Receiver

MESSAGE = Message("msg_1", b"{}")


def answers(*found: list[str]) -> LookUp:
    """A resolver that gives these answers, one after the other, and then the last one."""
    left = list(found)

    async def look_up(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return look_up


def port_of(receiver: Receiver) -> str:
    return receiver.url.rpartition(":")[2].partition("/")[0]


async def test_a_name_that_leads_elsewhere_later_is_refused(receiver: Receiver) -> None:
    """DNS rebinding: the name resolves to a public address when the webhook is made, and to this machine when it is posted."""
    poster = Poster(look_up=answers(["8.8.8.8"], ["127.0.0.1"]))
    url = f"https://hooks.example.org:{port_of(receiver)}/hook"
    await poster.check(url)
    posted = await poster.post(url, MESSAGE, [SECRET])
    assert posted.status is None
    assert "127.0.0.1, which is no public address" in posted.error
    assert receiver.arrived == []


async def test_the_checked_address_is_the_one_that_is_reached(receiver: Receiver) -> None:
    """The name is resolved once for a message, so no second answer counts. The receiver sees the name."""
    asked: list[str] = []

    async def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    poster = Poster(LOCAL, look_up=look_up)
    posted = await poster.post(f"http://hooks.example.org:{port_of(receiver)}/hook?a=b", MESSAGE, [SECRET])
    await poster.close()
    assert (posted.status, posted.error, asked) == (204, "", ["hooks.example.org"])
    assert receiver.arrived[0].headers["host"] == f"hooks.example.org:{port_of(receiver)}"


async def test_the_next_address_is_tried_when_one_is_dead(receiver: Receiver) -> None:
    """A host with several addresses, of which the first refuses connections."""
    poster = Poster(LOCAL, look_up=answers(["127.0.0.9", "127.0.0.1"]))
    assert (await poster.post(receiver.url, MESSAGE, [])).status == 204
    dead = await poster.post(receiver.url.replace(port_of(receiver), "1"), MESSAGE, [])
    await poster.close()
    assert (dead.status, dead.error) == (None, "No connection: All connection attempts failed.")


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the name by itself, and reach what was refused here."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    poster = Poster(LOCAL)
    assert (await poster.post(receiver.url, MESSAGE, [])).status == 204
    await poster.close()


async def test_the_certificate_is_that_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS the connection goes to the checked address, asks for the name, and accepts no certificate of another one."""
    files = certificate(tmp_path, ["hooks.example.org"])
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*files)
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=str(files[0]))
    monkeypatch.setattr(posting, "_tls_context", lambda: trusting)
    async with Receiver.open(tls=server) as receiver:
        poster = Poster(LOCAL, look_up=answers(["127.0.0.1"]))
        good = await poster.post(f"https://hooks.example.org:{port_of(receiver)}/", MESSAGE, [])
        bad = await poster.post(f"https://other.example.org:{port_of(receiver)}/", MESSAGE, [])
        await poster.close()
    assert (good.status, good.error) == (204, "")
    assert bad.status is None
    assert "certificate" in bad.error
    assert names == ["hooks.example.org", "other.example.org"]
    assert len(receiver.arrived) == 1


async def test_the_receiver_of_the_page_works(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/webhooks.md: it verifies, tells a message once though it comes twice, and refuses another signature."""
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0].replace("whsec_…", key_text(SECRET))
    names: dict[str, Any] = {}
    exec(compile(code, "docs/webhooks.md", "exec"), names)
    app = web.Application()
    app.add_routes([web.post("/", names["receive"])])
    message = Message("msg_1", b'{"type": "show.opened", "data": {"sequence": 1}}')
    async with TestServer(app) as server:
        poster = Poster(LOCAL)
        statuses = [
            (await poster.post(str(server.make_url("/")), message, [key])).status
            for key in (SECRET, SECRET, OLD_SECRET)
        ]
        await poster.close()
    assert statuses == [204, 204, 401]
    assert capsys.readouterr().out == "show.opened {'sequence': 1}\n"


def certificate(folder: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Writes a certificate of these names, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([
            *map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private
