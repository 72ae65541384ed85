"""The SMTP client, and the meaning of the replies of the mail server."""

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
SEND_TIMEOUT_S = 30.0
DETAIL_CHARS_MAX = 500

# RFC 5321, section 4.2.3: the mailbox does not exist, has moved, or has an invalid name.
_NO_MAILBOX = (550, 551, 553)
# RFC 3463: 5.7.1 is about the sender or the content, and says nothing about the mailbox.
_POLICY = re.compile(r"^5\.7\.\d")
_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION_PORT = 587


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of an attempt to send an email.

    Takes: status, `deferred`: try again later; detail, the reply of the mail server without the address;
           is_bounce, the mailbox does not exist
    """

    status: Literal["sent", "deferred", "failed"]
    detail: str
    is_bounce: bool = False


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A mail server that accepts our connection and login."""

    name: str
    is_encrypted: bool


class SmtpClient:
    """Sends one email at a time, over a connection that it opens when needed.

    Takes:  url, smtp://[user:password@]host[:port], with STARTTLS if the server offers it, or smtps://…;
            sender, the address that emails come from; send_timeout_s, for one email
    Cancel: the server may have accepted the email
    """

    def __init__(self, url: str, sender: str, *, send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._send_timeout_s = send_timeout_s
        self._host = parts.hostname or ""
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._is_tls = parts.scheme == "smtps"
        # A client that logs in submits mail (RFC 6409); a client that does not relays it.
        default_port = _SUBMISSION_PORT if self._user and not self._is_tls else _PORTS[parts.scheme]
        self._port = parts.port or default_port
        self._client: SMTP | None = None

    async def send(self, address: str, data: bytes) -> SendResult:
        """Sends an email.

        Takes:  data, the headers and the body
        Raises: MailUnavailable
        """
        client = await self._connect()
        try:
            async with asyncio.timeout(self._send_timeout_s):
                result = await self._transfer(client, address, data)
        except (TimeoutError, OSError, SMTPServerDisconnected) as error:
            # The server may have accepted the email. A receiver that gets it twice can tell by its Message-ID.
            result = SendResult("deferred", _describe(error, address))
        except BaseException:
            await self.close()
            raise
        if result.status != "sent":
            # The connection may be in the middle of a command, so it is not reused.
            await self.close()
        return result

    async def check(self) -> ServerInfo:
        """Connects and logs in as for an email, and closes the connection.

        Raises: MailUnavailable
        """
        client = await self._connect()
        is_encrypted = client.get_transport_info("sslcontext") is not None
        await self.close()
        return ServerInfo(f"{self._host}:{self._port}", is_encrypted)

    async def close(self) -> None:
        """Closes the connection without QUIT."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connect(self) -> SMTP:
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
            raise MailUnavailable(f"{self._host}:{self._port}: {_describe(error)}") from error
        self._client = client
        return client

    async def _transfer(self, client: SMTP, address: str, data: bytes) -> SendResult:
        try:
            await client.mail(self._sender)
        except SMTPException as error:
            # Refused before the recipient was named, so the reason is our own address or server.
            await self.close()
            raise MailUnavailable(f"{self._host}:{self._port}: {_describe(error)}") from error
        try:
            await client.rcpt(address)
            answer = await client.data(data)
        except SMTPRecipientRefused as error:
            return _refused(error, address, may_bounce=True)
        except SMTPResponseException as error:
            return _refused(error, address, may_bounce=False)
        return SendResult("sent", _describe(SMTPDataError(answer.code, answer.message), address))


def _refused(error: SMTPResponseException, address: str, *, may_bounce: bool) -> SendResult:
    detail = _describe(error, address)
    if not 500 <= error.code < 600:
        return SendResult("deferred", detail)
    is_bounce = may_bounce and error.code in _NO_MAILBOX and not _POLICY.match(error.message)
    return SendResult("failed", detail, is_bounce)


def _describe(error: Exception, address: str = "") -> str:
    """Describes an error in one line for the log and the database, with the address replaced."""
    if isinstance(error, SMTPResponseException):
        words = f"{error.code} {error.message}"
    else:
        words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if address:
        words = re.sub(re.escape(address), "<address>", words, flags=re.IGNORECASE)
    return " ".join("".join(char if char.isprintable() else " " for char in words).split())[:DETAIL_CHARS_MAX]
