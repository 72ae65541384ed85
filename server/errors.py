"""The tree of errors, with the person or program that has to act, or the cause.

    MysetlistError
    ├── SetupError          the operator: a start fails; one clear line, exit 1
    │   └── BadArgument         an argument of the command line is wrong, exit 2
    ├── Refused             the client: a documented code, sent as an error reply or a problem
    ├── Disconnect          the client: the connection ends with a documented close code
    ├── StoreError          PostgreSQL failed or refused
    │   ├── StoreUnavailable    unreachable, starting, or too slow: try again later
    │   │   └── ReplicaLost         a replica: the same read goes to the primary at once
    │   └── StoreConflict       a constraint was violated; `constraint` names it
    ├── CacheError          Valkey failed or refused
    │   ├── CacheUnavailable    unreachable or loading: try again later
    │   │   └── NothingRan          as a cluster changes, nobody takes the command; certainly nothing ran
    │   └── WritesRefused       it answers and takes no writes: its memory or disk is full, or it is a replica
    ├── ProviderError       another service (Spotify, setlist.fm, …) gave no usable answer
    └── MailUnavailable     the mail server is unreachable or accepts no email: emails wait in the queue

Any other exception is a bug and stops its loop.
"""

from __future__ import annotations


class MysetlistError(Exception):
    """Root of the tree above."""


class SetupError(MysetlistError):
    """A failed start. The message is one line for the operator."""


class BadArgument(SetupError):
    """An argument of the command line that is wrong. The message is one line for the operator."""


class Refused(MysetlistError):
    """A request that is answered with an error.

    Takes: code, one of protocol.codes.Code; message, for a person; retry_after_ms, set if a later attempt can succeed
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
    """PostgreSQL failed or refused."""


class StoreUnavailable(StoreError):
    """PostgreSQL is unreachable, starting, or too slow."""


class ReplicaLost(StoreUnavailable):
    """A replica went away while it was read. The same read goes to the primary, because the replica is left out now."""


class StoreConflict(StoreError):
    """A constraint was violated. constraint: its name."""

    def __init__(self, message: str, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


class CacheError(MysetlistError):
    """Valkey failed or refused."""


class CacheUnavailable(CacheError):
    """Valkey is unreachable, loading its data, or too slow."""


class NothingRan(CacheUnavailable):
    """No server of the cluster takes the command now: its keys are being moved, or their primary is away. It was not run."""


class WritesRefused(CacheError):
    """Valkey answers but takes no writes, for the reason that it gives. The refused command or script changed nothing."""


class MailUnavailable(MysetlistError):
    """The mail server is unreachable or accepts no email. The cause is not in an email, and none was sent."""


class ProviderError(MysetlistError):
    """A provider is unreachable or too busy, refuses this service, or gives a malformed answer.

    Takes: service; reason, for a person, without any address or key; retry_after_s, the wait that the provider asks for
    """

    def __init__(self, service: str, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{service}: {reason}")
        self.service = service
        self.retry_after_s = retry_after_s
