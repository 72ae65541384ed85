"""One mail server, and what its answers mean for a letter."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

import structlog
from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from server.errors import MailUnavailable

log = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
LETTER_TIMEOUT_S = 30.0
DETAIL_CHARS_MAX = 500

# RFC 5321, section 4.2.3: there is no such mailbox, it is elsewhere, its name is not allowed.
_NO_MAILBOX = (550, 551, 553)
# RFC 3463: 5.7.1 is about who sends or what, and says nothing about the mailbox.
_POLICY = re.compile(r"^5\.7\.\d")
_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION_PORT = 587


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter.

    Takes: status, `deferred`: try again later; detail, the other server's words without the address;
           is_bounce, there is no such mailbox
    """

    status: Literal["sent", "deferred", "failed"]
    detail: str
    is_bounce: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A mail server that lets us in."""

    name: str
    is_encrypted: bool


class MailServer:
    """Sends one letter after the other over a connection that is made when it is needed.

    Takes:  url, smtp://[user:password@]host[:port], with STARTTLS when it is offered, or smtps://…;
            sender, the address letters come from
    Cancel: the letter may have been taken
    """

    def __init__(self, url: str, sender: str, *, letter_timeout_s: float = LETTER_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._timeout_s = letter_timeout_s
        self._host = parts.hostname or ""
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._is_tls = parts.scheme == "smtps"
        # Whoever signs in submits (RFC 6409); whoever does not relays.
        usual = _SUBMISSION_PORT if self._user and not self._is_tls else _PORTS[parts.scheme]
        self._port = parts.port or usual
        self._client: SMTP | None = None

    async def send(self, address: str, data: bytes) -> Outcome:
        """Sends a letter.

        Takes:  data, headers and body
        Raises: MailUnavailable
        """
        client = await self._connected()
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await self._transfer(client, address, data)
        except (TimeoutError, OSError, SMTPServerDisconnected) as error:
            # It may have been taken; whoever gets it twice can tell by its Message-ID.
            outcome = Outcome("deferred", _said(error, address))
        except BaseException:
            await self.close()
            raise
        if outcome.status != "sent":
            # Whatever is half said on this connection is forgotten with it.
            await self.close()
        return outcome

    async def check(self) -> Found:
        """Connects and signs in, as before a letter.

        Raises: MailUnavailable
        """
        client = await self._connected()
        is_encrypted = client.get_transport_info("sslcontext") is not None
        await self.close()
        return Found(f"{self._host}:{self._port}", is_encrypted)

    async def close(self) -> None:
        """Hangs up, without a word."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connected(self) -> SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        client = SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._is_tls,
            start_tls=False if self._is_tls else None,
            timeout=CONNECT_TIMEOUT_S,
            local_hostname=socket.gethostname(),
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise MailUnavailable(f"{self._host}:{self._port}: {_said(error)}") from error
        self._client = client
        return client

    async def _transfer(self, client: SMTP, address: str, data: bytes) -> Outcome:
        try:
            await client.mail(self._sender)
        except SMTPException as error:
            # Refused before anybody was named: this is about us.
            await self.close()
            raise MailUnavailable(f"{self._host}:{self._port}: {_said(error)}") from error
        try:
            await client.rcpt(address)
            answer = await client.data(data)
        except SMTPRecipientRefused as error:
            return _refused(error, address, may_bounce=True)
        except SMTPResponseException as error:
            return _refused(error, address, may_bounce=False)
        return Outcome("sent", _said(SMTPDataError(answer.code, answer.message), address))


def _refused(error: SMTPResponseException, address: str, *, may_bounce: bool) -> Outcome:
    said = _said(error, address)
    if not 500 <= error.code < 600:
        return Outcome("deferred", said)
    is_bounce = may_bounce and error.code in _NO_MAILBOX and not _POLICY.match(error.message)
    return Outcome("failed", said, is_bounce)


def _said(error: Exception, address: str = "") -> str:
    """An answer in one line, without the address it is about: it is kept, and it is logged."""
    if isinstance(error, SMTPResponseException):
        words = f"{error.code} {error.message}"
    else:
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if address:
        words = re.sub(re.escape(address), "<address>", words, flags=re.IGNORECASE)
    return " ".join("".join(char if char.isprintable() else " " for char in words).split())[:DETAIL_CHARS_MAX]
