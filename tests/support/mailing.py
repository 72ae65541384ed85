"""Users with addresses, shows, and the parts of mail on a clock that the test moves."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from server.mail.composer import EmailComposer
from server.mail.enqueuer import EmailEnqueuer
from server.mail.items import confirmation_about
from server.mail.sender import EmailSender
from server.mail.smtp import SmtpClient
from server.mail.tokens import mailbox_hash
from server.protocol.instants import from_ms, ms_of
from server.store.database import Database
from tests.support.clock import FakeClock
from tests.support.smtp_server import SmtpServer

SECRET = "a secret of tests, and long enough"
WEDNESDAY_NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PUBLIC_URL = "https://sets.example.org"
COMPOSER = EmailComposer("MySetlist <mysetlist@example.org>", SECRET, lambda: PUBLIC_URL)
KINDS = ["show_announced", "show_reminder", "show_result"]


class Mailing:
    """Inserts rows for tests of mail, and builds its parts; `begin` makes the first rows.

    `clock` starts on a Wednesday at noon, UTC. All instants in the database come from it.
    """

    def __init__(self, sql: Any, owner: Database) -> None:
        self.sql = sql
        self.owner = owner
        self.clock = FakeClock(ms_of(WEDNESDAY_NOON))
        self._numbers = itertools.count(1)

    async def begin(self) -> None:
        """Inserts two artists and one venue, in Boston, into an empty database."""
        await self.sql.execute(
            "insert into artists (slug, name) values ('band', 'Band'), ('support', 'Support');"
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('hall', 'Hall', 'Boston', 'US', 42.3, -71.0, 'America/New_York')"
        )

    @property
    def now(self) -> datetime:
        """The instant of the clock."""
        return from_ms(self.clock.now_ms())

    def turn_to(self, instant: datetime) -> None:
        """Moves the clock forward to an instant."""
        assert instant >= self.now
        self.clock.advance((instant - self.now).total_seconds())

    # ── parts

    def enqueuer(self) -> EmailEnqueuer:
        """Builds an enqueuer."""
        return EmailEnqueuer(self.owner, self.clock)

    def sender(self, smtp_server: SmtpServer, *, send_timeout_s: float = 20.0, **options: Any) -> EmailSender:
        """Builds a sender that sends to this SMTP server."""
        client = SmtpClient(smtp_server.url(), COMPOSER.sender, send_timeout_s=send_timeout_s)
        return EmailSender(self.owner, self.clock, client, COMPOSER, **{"minute_max": 10_000, **options})

    async def send_all(self, smtp_server: SmtpServer, **options: Any) -> None:
        """Sends until no row is due."""
        sender = self.sender(smtp_server, **options)
        while await sender.send_due():
            pass
        await sender._client.close()

    # ── rows

    async def user(self) -> int:
        """Creates a user without an address."""
        user_id: int = await self.sql.fetchval("insert into users default values returning id")
        return user_id

    async def fan(
        self,
        address: str | None = None,
        *,
        frequency: str = "immediately",
        is_confirmed: bool = True,
        kinds: list[str] | None = None,
        follows: int | None = None,
    ) -> int:
        """Creates a user who wants emails. The default address is `fan<id>@example.org`."""
        user_id = await self.user()
        await self.sql.execute(
            "insert into email_preferences (user_id, address, confirmed_at, frequency, kinds)"
            " values ($1, $2, $3, $4::text::email_frequency, $5::text[]::email_kind[])",
            user_id, address or f"fan{user_id}@example.org", self.now if is_confirmed else None, frequency,
            KINDS if kinds is None else kinds,
        )  # fmt: skip
        if follows is not None:
            await self.follow(user_id, follows)
        return user_id

    async def follow(self, user_id: int, artist_id: int = 1, *, at: datetime | None = None) -> None:
        """Makes a user follow an artist since `at`, by default since an hour ago."""
        await self.sql.execute(
            "insert into user_follows_artists (user_id, artist_id, created_at) values ($1, $2, $3)",
            user_id, artist_id, at or self.now - timedelta(hours=1),
        )  # fmt: skip

    async def attend(self, user_id: int, show_id: int) -> None:
        """Makes a user attend a show."""
        await self.sql.execute("insert into user_show_attendance (user_id, show_id) values ($1, $2)", user_id, show_id)

    async def vote(self, user_id: int, show_id: int, *, song: int = 1, choice: str = "up") -> None:
        """Makes a user vote on the song number `song` of a show."""
        await self.sql.execute(
            "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)"
            " select id, $1, show_id, $4::text::vote_choice, $5 from setlist_songs where show_id = $2 and position = $3",
            user_id, show_id, song, choice, self.now,
        )  # fmt: skip

    async def show(
        self,
        *,
        starts_in: timedelta = timedelta(days=30),
        created_at: datetime | None = None,
        finalised_at: datetime | None = None,
        songs: int = 0,
        name: str | None = None,
        status: str = "upcoming",
    ) -> int:
        """Creates a show of artist 1, by default created now."""
        number = next(self._numbers)
        show_id: int = await self.sql.fetchval(
            "insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at,"
            " created_at, finalised_at, status) values ($1, 1, 1, $2, $3::timestamptz::date, 'America/New_York', $3,"
            " $3 - interval '9 days', $3 + interval '1 day', $4, $5, $6::text::show_status) returning id",
            f"show-{number}", name or f"Show {number}", self.now + starts_in, created_at or self.now, finalised_at, status,
        )  # fmt: skip
        await self.sql.execute(
            "with setlist as (insert into setlists (show_id, type, name) values ($1, 'predicted', 'Expected') returning id),"
            " song as (insert into songs (artist_id, title)"
            " select 1, format('Song %s of %s', n, $1::bigint) from generate_series(1, $2::int) n returning id)"
            " insert into setlist_songs (setlist_id, show_id, song_id, position)"
            " select setlist.id, $1, song.id, row_number() over (order by song.id) from setlist, song",
            show_id, songs,
        )  # fmt: skip
        return show_id

    async def queue(
        self, user_id: int, show_id: int, kind: str = "show_announced", *, at: datetime | None = None
    ) -> int:
        """Adds an item to the queue, by default due now."""
        queue_id: int = await self.sql.fetchval(
            "insert into email_queue (user_id, kind, about, not_before, created_at)"
            " values ($1, $2::text::email_kind, 'show:' || $3::bigint, $4, $5) returning id",
            user_id, kind, show_id, at or self.now, self.now,
        )  # fmt: skip
        return queue_id

    async def one_email(self, address: str = "fan@example.org") -> int:
        """Adds an item for a new user, due now; gives the user."""
        fan = await self.fan(address, follows=1)
        await self.queue(fan, await self.show())
        return fan

    async def confirmation(self, address: str) -> int:
        """Adds a confirmation for a new user, due now; gives the user."""
        fan = await self.fan(address, is_confirmed=False)
        await self.sql.execute(
            "insert into email_queue (user_id, kind, about, priority, not_before, created_at)"
            " values ($1, 'confirm_address', $2, 'high', $3, $3)",
            fan, confirmation_about(address, self.clock.now_ms()), self.now,
        )  # fmt: skip
        return fan

    async def stop(self, address: str, reason: str = "link") -> None:
        """Stops all emails to an address."""
        await self.sql.execute(
            "insert into email_unsubscribes (address_hash, reason) values ($1, $2)", mailbox_hash(address), reason
        )

    # ── results

    async def queued(self, kind: str) -> list[tuple[int, str]]:
        """The user and subject of each item of this kind in the queue."""
        rows = await self.sql.fetch(
            "select user_id, about from email_queue where kind = $1::text::email_kind order by user_id, about", kind
        )
        return [(row["user_id"], row["about"]) for row in rows]

    async def states(self) -> list[tuple[str, int]]:
        """The status and attempts of each row of the queue, in order."""
        rows = await self.sql.fetch("select status::text, attempts from email_queue order by id")
        return [(row["status"], row["attempts"]) for row in rows]

    async def log(self) -> list[tuple[str, str]]:
        """The status and detail of each row of the log, in order."""
        rows = await self.sql.fetch("select status::text, detail from email_log order by id")
        return [(row["status"], row["detail"]) for row in rows]

    async def stops(self) -> list[tuple[bytes, str]]:
        """The stopped addresses by hash, with the reasons."""
        rows = await self.sql.fetch("select address_hash, reason from email_unsubscribes order by at")
        return [(row["address_hash"], row["reason"]) for row in rows]
