"""What can go wrong, by who has to act.

    MysetlistError
    ├── SetupError          the operator: a start that cannot go on; one clear line, exit 1
    ├── Refused             the client: a documented code, sent as an error reply or a problem
    ├── Disconnect          the client: the connection ends with a documented close code
    ├── StoreError          PostgreSQL did not do what was asked
    │   ├── StoreUnavailable    unreachable, starting, or too slow: try again later
    │   └── StoreConflict       a constraint said no; `constraint` names it
    ├── CacheError          Valkey did not do what was asked
    │   └── CacheUnavailable    unreachable or loading: try again later
    ├── ProviderError       another service (Spotify, setlist.fm, …) gave no answer that can be used
    └── MailUnavailable     the mail server is away, or lets us send nothing at all: letters wait

Anything else that is raised is a bug and stops the loop it happens in.
"""

from __future__ import annotations


class MysetlistError(Exception):
    """Root of the tree above."""


class SetupError(MysetlistError):
    """A start that cannot go on. The message is one line for the operator."""


class Refused(MysetlistError):
    """A request that is answered with an error.

    Takes: code, one of protocol.codes.Code; message for a person; retry_after_ms, given when trying again can help
    """

    def __init__(self, code: str, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


class Disconnect(MysetlistError):
    """A connection that is closed by the server with `close_code` (protocol.codes)."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason


class StoreError(MysetlistError):
    """PostgreSQL did not do what was asked."""


class StoreUnavailable(StoreError):
    """PostgreSQL is unreachable, starting, or too slow."""


class StoreConflict(StoreError):
    """A constraint said no."""

    def __init__(self, message: str, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


class CacheError(MysetlistError):
    """Valkey did not do what was asked."""


class CacheUnavailable(CacheError):
    """Valkey is unreachable, loading its data, or too slow."""


class MailUnavailable(MysetlistError):
    """The mail server is away, or lets us send nothing at all: no letter is to blame, and none was sent."""


class ProviderError(MysetlistError):
    """A provider of data is away, too busy, refuses us, or makes no sense.

    Takes: service; reason, for a person, without any address or key; retry_after_s, when the provider asked us to wait
    """

    def __init__(self, service: str, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{service}: {reason}")
        self.service = service
        self.retry_after_s = retry_after_s
