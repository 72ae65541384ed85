"""Which addresses lead to one mailbox."""

from __future__ import annotations

import pytest

from server.people.mailboxes import mailbox_hash, mailbox_of


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Fan@Example.ORG", "fan@example.org"),
        ("fan+show7@example.org", "fan@example.org"),
        ("fan+a+b@example.org", "fan@example.org"),
        ("f.a.n+x@googlemail.com", "fan@gmail.com"),
        ("f.an@gmail.com", "fan@gmail.com"),
        # Elsewhere a dot makes another mailbox, and a name that is only a tag stays.
        ("f.an@example.org", "f.an@example.org"),
        ("+fan@example.org", "+fan@example.org"),
    ],
)
def test_spellings_of_one_mailbox(address: str, mailbox: str) -> None:
    """Case and what follows a plus do not matter, and dots only elsewhere than at Google."""
    assert mailbox_of(address) == mailbox


def test_the_hash_is_of_a_show_and_a_secret() -> None:
    """Tickets of two shows cannot be compared, nor without the secret of the nodes."""
    hashes = {mailbox_hash(secret, show, "fan@example.org") for secret in ("a", "b") for show in (7, 8)}
    assert len(hashes) == 4
    assert mailbox_hash("a", 7, "Fan+1@example.org") in hashes
