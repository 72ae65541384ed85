"""Composes emails: headers, plain text, and the same text as HTML."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from server.mail.items import CONFIRMATION, EmailItem
from server.mail.rendering import Link, Look, Section, clean, render_html, render_text, section_of
from server.mail.tokens import confirmation_token, unsubscribe_token
from server.protocol.service import SERVICE
from server.words.texts import Language, shipped

_ORDER = ("show_reminder", "show_announced", "show_result")  # the most urgent kind first


class _Policy(EmailPolicy):
    """The policy of SMTP, except that it never folds the link of List-Unsubscribe: folding would encode the link."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n")


@dataclass(frozen=True, slots=True)
class OutgoingEmail:
    """An email to one address, with one item or with the items of a digest. `data` is the whole message."""

    items: tuple[EmailItem, ...]
    address: str
    data: bytes

    @property
    def kind(self) -> str:
        """The kind for metrics: the kind of the only item, or `digest`."""
        return self.items[0].kind if len(self.items) == 1 else "digest"


@dataclass(frozen=True, slots=True)
class EmailComposer:
    """Composes emails with the same sender, secret and links.

    Takes: mail_from, as in `MySetlist <mysetlist@example.org>`; secret, signs the links; public_url, gives the address
           of this service for links
    """

    mail_from: str
    secret: str
    public_url: Callable[[], str]

    @property
    def sender(self) -> str:
        """The address that emails come from and bounces go to."""
        return self._from.addr_spec

    @property
    def _from(self) -> Address:
        message = EmailMessage(policy=_POLICY)
        message["From"] = self.mail_from
        address: Address = message["From"].addresses[0]
        return address

    def compose(self, items: Sequence[EmailItem], *, message_id: str, now: datetime) -> OutgoingEmail:
        """Composes one email with all `items`, which belong to one user.

        Takes:  message_id, from the method `message_id`
        Raises: ValueError, email.errors.MessageError: the address is not valid in a header
        """
        first = items[0]
        assert first.address is not None
        message = EmailMessage(policy=_POLICY)
        message["From"] = Address(_in_header(_service(first)), addr_spec=self.sender) if first.brand else self._from
        message["To"] = Address(addr_spec=first.address)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"
        words = shipped().language(first.language)
        unsubscribe_link = Link(
            f"{self._base(first)}/unsubscribe?token={unsubscribe_token(self.secret, first.address)}"
        )
        if first.kind == CONFIRMATION:
            self._fill_confirmation(message, first, unsubscribe_link, now, words)
        else:
            self._fill_shows(message, items, unsubscribe_link, words)
        message["Content-Language"] = words.tag
        return OutgoingEmail(tuple(items), first.address, message.as_bytes())

    def message_id(self, items: Iterable[EmailItem]) -> str:
        """Gives a Message-ID that depends only on the items, so that a receiver can drop an email that comes twice."""
        ordered = sorted(items, key=lambda item: item.id)
        words = "\n".join(f"{i.id} {i.user_id} {i.kind} {i.about} {i.created_at.timestamp()}" for i in ordered)
        name = hashlib.blake2b(words.encode(), digest_size=16, key=self.secret.encode()[:64]).hexdigest()
        return f"<{name}@{self._from.domain}>"

    def _fill_confirmation(
        self, message: EmailMessage, item: EmailItem, unsubscribe_link: Link, now: datetime, words: Language
    ) -> None:
        assert item.address is not None
        token = confirmation_token(self.secret, item.user_id, item.address, now=now)
        message["Subject"] = words.text("letter-confirm-subject")
        opening = [
            words.text("letter-confirm-why", service=_service(item)),
            words.text("letter-confirm-link"),
            Link(f"{self._base(item)}/confirm-email?token={token}"),
        ]
        closing = [words.text("letter-confirm-stop"), unsubscribe_link]
        _set_content(message, opening, [], closing, words, look=_look(item))

    def _fill_shows(
        self, message: EmailMessage, items: Sequence[EmailItem], unsubscribe_link: Link, words: Language
    ) -> None:
        message["List-Unsubscribe"] = f"<{unsubscribe_link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        ordered = sorted(items, key=lambda item: (_ORDER.index(item.kind), item.starts_at, item.id))
        base, service = self._base(items[0]), _service(items[0])
        sections = [section_of(item, base, words) for item in ordered]
        opening: list[str] = []
        if len(sections) == 1:
            message["Subject"] = _in_header(sections[0].subject)
        else:
            period = "weekly" if items[0].frequency == "weekly" else "daily"
            message["Subject"] = _in_header(
                words.text("letter-digest-subject", period=period, count=len(sections), service=service)
            )
            opening = [words.text("letter-digest-heading", period=period, service=service)]
        closing = [words.text("letter-unsubscribe"), unsubscribe_link]
        _set_content(message, opening, sections, closing, words, look=_look(items[0]))

    def _base(self, item: EmailItem) -> str:
        """The address with which links begin: that of the brand where the address was saved, else that of the service."""
        public_url = self.public_url()
        return f"{urlsplit(public_url).scheme}://{item.brand_host}" if item.brand else public_url


def _in_header(text: str) -> str:
    """`=?` would begin an encoded word, which the standard library decodes with its line breaks before folding."""
    return text.replace("=?", "= ?")


def _service(item: EmailItem) -> str:
    return clean(item.brand) if item.brand else SERVICE


def _look(item: EmailItem) -> Look | None:
    return Look(clean(item.brand), item.ground, item.ink, item.accent) if item.brand else None


def _set_content(
    message: EmailMessage,
    opening: list[str],
    sections: list[Section],
    closing: list[str],
    words: Language,
    *,
    look: Look | None,
) -> None:
    # Quoted-printable passes servers that accept only seven bits, and keeps every line short.
    message.set_content(render_text(opening, sections, closing), cte="quoted-printable")
    message.add_alternative(
        render_html(opening, sections, closing, words, look), subtype="html", cte="quoted-printable"
    )
