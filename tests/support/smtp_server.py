"""A real SMTP server in the event loop of the test. The test makes it accept, defer, refuse, hang or drop."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

OK = "250 OK"
HANG = "hang"
DROP = "drop"


@dataclass(frozen=True)
class Arrived:
    """An email that the server accepted."""

    recipient: str
    data: bytes

    @property
    def message(self) -> EmailMessage:
        """The email, parsed as by a mail program."""
        message = message_from_bytes(self.data, policy=policy.SMTP)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def text(self) -> str:
        """The plain text."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """The HTML."""
        return self._body("html")

    def _body(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        text: str = body.get_content()
        return text


class SmtpServer:
    """Accepts emails. Create it with `open`. A reply is an SMTP reply, HANG or DROP.

    at_sender: the reply to MAIL; at_recipient: address -> the reply to RCPT; at_data: address -> the reply to DATA;
    after_data: address -> the reply after the email was accepted
    """

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.at_recipient: dict[str, str] = {}
        self.at_data: dict[str, str] = {}
        self.after_data: dict[str, str] = {}
        self.at_sender = OK
        self.came = asyncio.Event()  # an email was accepted, or a client waits in HANG
        self.released = asyncio.Event()  # ends HANG
        self.logins: list[tuple[bytes, bytes]] = []
        self.was_encrypted: list[bool] = []
        self.connections = 0
        self.port = 0
        self.password = b"s3cret/&x"

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, needs_login: bool = False
    ) -> AsyncIterator[SmtpServer]:
        """Opens a server on a port of its own."""
        smtp_server = cls()
        loop = asyncio.get_running_loop()
        protocols: list[SMTP] = []

        def connected() -> SMTP:
            with warnings.catch_warnings():
                # aiosmtpd does not see the encryption outside of itself, and warns about an unencrypted password.
                warnings.simplefilter("ignore")
                protocol = SMTP(
                    smtp_server,
                    loop=loop,
                    hostname="post.example.org",
                    tls_context=starttls,
                    auth_required=needs_login,
                    auth_require_tls=starttls is not None,
                    authenticator=smtp_server._authenticate,
                )
            smtp_server.connections += 1
            protocols.append(protocol)
            return protocol

        server = await loop.create_server(connected, "127.0.0.1", 0, ssl=tls)
        smtp_server.port = server.sockets[0].getsockname()[1]
        try:
            yield smtp_server
        finally:
            smtp_server.released.set()
            server.close()
            for protocol in protocols:
                if protocol.transport is not None:
                    cast("asyncio.Transport", protocol.transport).abort()
            await asyncio.sleep(0)  # lets the transports notify their protocols

    def url(self, *, user: str = "", scheme: str = "smtp") -> str:
        """Gives the URL of the server."""
        return f"{scheme}://{user}localhost:{self.port}" if user else f"{scheme}://localhost:{self.port}"

    def recipients(self) -> list[str]:
        """Lists the recipients of the accepted emails, in order."""
        return [email.recipient for email in self.arrived]

    # ── handlers of aiosmtpd

    async def handle_MAIL(self, server: SMTP, _session: Session, envelope: Envelope, address: str, _: Any) -> str:  # noqa: N802
        """MAIL FROM."""
        envelope.mail_from = address
        return await self._answer(server, self.at_sender)

    async def handle_RCPT(self, server: SMTP, _session: Session, envelope: Envelope, address: str, _: Any) -> str:  # noqa: N802
        """RCPT TO."""
        answer = await self._answer(server, self.at_recipient.get(address, OK))
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """DATA."""
        (address,) = envelope.rcpt_tos
        answer = await self._answer(server, self.at_data.get(address, OK))
        if answer.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.arrived.append(Arrived(address, envelope.content))
            self.was_encrypted.append(session.ssl is not None)
            self.came.set()
            return await self._answer(server, self.after_data.get(address, OK))
        return answer

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, login: Any) -> AuthResult:
        assert isinstance(login, LoginPassword)
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == self.password, handled=False)

    async def _answer(self, server: SMTP, answer: str) -> str:
        if answer == HANG:
            self.came.set()
            await self.released.wait()
            return OK
        if answer == DROP:
            cast("asyncio.Transport", server.transport).abort()
            return "421 gone"
        return answer


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Creates a server context with a certificate for `localhost`, and the file that makes a client trust it."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", chain],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, chain
