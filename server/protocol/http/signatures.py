"""The signature of a message that this service posts to another one.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable

from standardwebhooks import Webhook

KEY_PREFIX = "whsec_"


def signed_headers(message_id: str, sent_at: dt.datetime, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """The headers of a message. Takes: message_id, the same for each attempt; body, JSON; keys, each of which signs."""
    signatures = [Webhook(key).sign(message_id, sent_at, body.decode()) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        **({"webhook-signature": " ".join(signatures)} if signatures else {}),
    }


def key_text(key: bytes) -> str:
    """A key as receivers write it."""
    return KEY_PREFIX + base64.b64encode(key).decode()
