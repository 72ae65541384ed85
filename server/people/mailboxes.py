"""Which mailbox an address leads to, as far as spelling shows it: one mailbox gives one ticket for a show."""

from __future__ import annotations

import hashlib

from server.people.ticket_codes import keyed_hash

# Google delivers all spellings with dots to one mailbox, under both names (https://support.google.com/mail/answer/7436150).
_DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}


def mailbox_of(address: str) -> str:
    """The spelling that stands for all addresses of a mailbox: without case, without `+` and what follows, at Google without dots.

    Two people share a spelling only at a provider that means another mailbox by a `+`, which hardly one does.
    """
    name, _, domain = address.lower().rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _DOTLESS:
        name, domain = name.replace(".", ""), _DOTLESS[domain]
    return f"{name}@{domain}"


def mailbox_hash(secret: str, show_id: int, address: str) -> bytes:
    """Stands for a mailbox among the tickets of one show. Without the secret it tells no address, and no two shows have the same."""
    return keyed_hash(secret, hashlib.sha256(f"{show_id}:mailbox:{mailbox_of(address)}".encode()).digest())
