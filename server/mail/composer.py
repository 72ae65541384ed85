"""Letters as they are sent: headers, plain text, and the same as HTML."""

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

from server.mail.items import CONFIRMATION, Item
from server.mail.rendering import Line, Section, as_html, as_text, one_line, section_of
from server.mail.tokens import confirmation_token, unsubscribe_token

_ORDER = ("show_reminder", "show_announced", "show_result")  # what is most urgent stands first


class _Policy(EmailPolicy):
    """SMTP's, but `<https://…>` is never folded: folding would encode it beyond what anybody reads."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n")


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes to one address: one item, or a digest's."""

    items: tuple[Item, ...]
    address: str
    data: bytes

    @property
    def kind(self) -> str:
        """What is counted: its kind, or `digest`."""
        return self.items[0].kind if len(self.items) == 1 else "digest"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all letters have in common.

    Takes: mail_from, as in `MySetlist <mysetlist@example.org>`; public_url, where this service is found from outside
    """

    mail_from: str
    secret: str
    public_url: Callable[[], str]

    @property
    def sender(self) -> str:
        """The address letters come from, and bounces go to."""
        return self._from.addr_spec

    @property
    def _from(self) -> Address:
        message = EmailMessage(policy=_POLICY)
        message["From"] = self.mail_from
        address: Address = message["From"].addresses[0]
        return address

    def write(self, items: Sequence[Item], *, message_id: str, now: datetime) -> Letter:
        """One letter that says all of `items`, which are of one user.

        Takes: message_id, from `message_id` below
        """
        first = items[0]
        assert first.address is not None
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._from
        message["To"] = Address(addr_spec=first.address)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"
        public_url = self.public_url()
        stop = f"{public_url}/unsubscribe?token={unsubscribe_token(self.secret, first.address)}"
        opening: list[Line]
        if first.kind == CONFIRMATION:
            token = confirmation_token(self.secret, first.user_id, first.address, now=now)
            message["Subject"] = "Confirm your address"
            opening = [
                ("Somebody, we hope you, wants MySetlist to write to this address.",),
                ("To confirm it, open this within 48 hours:",),
                (f"{public_url}/confirm-email?token={token}",),
            ]
            closing: list[Line] = [
                ("It was not you? Do nothing; or have every letter to this address stopped for good:",),
                (stop,),
            ]
            return self._finished(message, items, opening, [], closing)
        message["List-Unsubscribe"] = f"<{stop}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        ordered = sorted(items, key=lambda item: (_ORDER.index(item.kind), item.starts_at, item.id))
        sections = [section_of(item, public_url) for item in ordered]
        if len(sections) == 1:
            # `=?` would begin an encoded word, which the standard library decodes, line breaks and all, before it folds.
            message["Subject"] = one_line(sections[0].subject).replace("=?", "= ?")
            opening = []
        else:
            period = "week" if first.frequency == "weekly" else "day"
            message["Subject"] = f"Your {period} on MySetlist: {len(sections)} shows"
            opening = [(f"Your {period} on MySetlist.",)]
        closing = [("You get this because you asked for it. To get no more letters:",), (stop,)]
        return self._finished(message, items, opening, sections, closing)

    def _finished(
        self,
        message: EmailMessage,
        items: Sequence[Item],
        opening: list[Line],
        sections: list[Section],
        closing: list[Line],
    ) -> Letter:
        # Quoted-printable passes servers that take seven bits only, and keeps every line short.
        message.set_content(as_text(opening, sections, closing), cte="quoted-printable")
        message.add_alternative(as_html(opening, sections, closing), subtype="html", cte="quoted-printable")
        assert items[0].address is not None
        return Letter(tuple(items), items[0].address, message.as_bytes())

    def message_id(self, items: Iterable[Item]) -> str:
        """The same for the same items on every node and at every attempt: a receiver can drop what comes twice."""
        ordered = sorted(items, key=lambda item: item.id)
        words = "\n".join(f"{i.id} {i.user_id} {i.kind} {i.about} {i.created_at.timestamp()}" for i in ordered)
        name = hashlib.blake2b(words.encode(), digest_size=16, key=self.secret.encode()[:64]).hexdigest()
        return f"<{name}@{self._from.domain}>"
