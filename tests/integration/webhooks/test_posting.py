"""A message goes to the address that was checked, under the name that was given."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.outgoing import posting
from server.outgoing.addresses import LookUp
from server.outgoing.posting import Posted
from server.protocol.http.signatures import key_text
from server.webhooks.posting import Message, Poster
from tests.support.webhooks import LOCAL, OLD_SECRET, SECRET, Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")  # of the receiver

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


@asynccontextmanager
async def tunnels(port: str, statuses: Sequence[bytes] = ()) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that leads every tunnel to a port of this machine; gives its address, and the targets that it was asked for."""
    asked: list[str] = []
    left = list(statuses)
    open_ends: list[asyncio.StreamWriter] = []

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ends.append(writer)
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
        status = left.pop(0) if left else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if status == b"200 OK":
            from_receiver, to_receiver = await asyncio.open_connection("127.0.0.1", int(port))
            open_ends.append(to_receiver)
            await asyncio.gather(carry(reader, to_receiver), carry(from_receiver, writer), return_exceptions=True)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        finally:
            for end in open_ends:
                end.close()
            await asyncio.gather(*(end.wait_closed() for end in open_ends), return_exceptions=True)


async def test_a_proxy_gets_what_may_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the name of a receiver outside, also where only the proxy resolves it. What is known to lead inside is refused here."""
    files = certificate(tmp_path, ["hooks.example.org"])
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*files)
    trusting = ssl.create_default_context(cafile=str(files[0]))
    monkeypatch.setattr(posting, "_tls_context", lambda: trusting)
    unknown: LookUp = answers([])
    async with Receiver.open(tls=server) as receiver, tunnels(port_of(receiver)) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)

        async def post(url: str, look_up: LookUp) -> Posted:
            poster = Poster(LOCAL, look_up=look_up)
            posted = await poster.post(url, MESSAGE, [SECRET])
            await poster.close()
            return posted

        for look_up in (answers(["8.8.8.8"]), unknown):
            assert (await post("https://hooks.example.org/hook?a=b", look_up)).error == ""
        assert asked == ["hooks.example.org:443"] * 2
        assert [one.headers["host"] for one in receiver.arrived] == ["hooks.example.org"] * 2
        assert "not valid for 'other.example.org'" in (await post("https://other.example.org/", unknown)).error
        del asked[:]
        assert (
            "10.0.0.1, which is no public address"
            in (await post("https://hooks.example.org/", answers(["10.0.0.1"]))).error
        )
        for inside in ("localhost", "metadata.google.internal", "intranet", "printer.local.", "LOCALHOST"):
            assert "a name of an inner network" in (await post(f"https://{inside}/", unknown)).error, inside
        assert "must start with https://" in (await post("http://hooks.example.org/", answers(["8.8.8.8"]))).error
        # Networks of one's own are reached without the proxy, and so is what NO_PROXY names.
        own = f"https://hooks.example.org:{port_of(receiver)}/"
        assert (await post(own, answers(["127.0.0.1"]))).status == 204
        monkeypatch.setenv("NO_PROXY", ".example.org")
        assert "does not resolve" in (await post("https://hooks.example.org/", unknown)).error
        assert asked == []


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is told, and its password is not."""
    async with tunnels("1", [b"403 Forbidden"]) as (proxy, _):
        for address in (f"http://me:hush@{proxy}", "http://me:hush@127.0.0.1:1"):
            monkeypatch.setenv("HTTPS_PROXY", address)
            poster = Poster(look_up=answers(["8.8.8.8"]))
            posted = await poster.post("https://hooks.example.org/", MESSAGE, [])
            await poster.close()
            assert posted.status is None
            assert posted.error.startswith("No connection through the proxy of HTTPS_PROXY: ")
            assert "hush" not in posted.error


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
