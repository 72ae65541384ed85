"""Retention: old rows are deleted once a day, and when an administrator asks."""

from __future__ import annotations

import pytest

from server.admin import retention
from server.admin.retention import Retention
from tests.support.api_client import ApiClient
from tests.support.row_factory import RowFactory
from tests.support.running_node import until


@pytest.fixture
def has_chores() -> bool:
    """A chore deletes old rows."""
    return True


async def test_cleanup_keeps_young_rows_and_deletes_old_ones(admin: ApiClient, factory: RowFactory) -> None:
    """Of every kind a row just over its limit is deleted, and a row just below it stays."""
    await factory.show(7)
    # The node did the same by itself after its start, before it wrote the days in numbers.
    await until(lambda: factory.sql.fetchval("select count(*) from platform_stats"))
    old_and_young = {
        "log_commits": (
            (
                "insert into log_commits (shard, position, entries, committed_at)"
                " values (1, 1, '{1}', now() - make_interval(mins => $1))"
            ),
            retention.LOG_COMMITS_MINUTES,
        ),
        "user_vote_limits": (
            "insert into user_vote_limits (user_id, day, spent) select max(id), current_date - $1::int, 1 from users",
            retention.VOTE_LIMITS_DAYS,
        ),
        "email_log": (
            (
                "insert into email_log (queue_id, user_id, kind, status, at)"
                " select 1, max(id), 'show_result', 'sent', now() - make_interval(days => $1) from users"
            ),
            retention.EMAIL_LOG_DAYS,
        ),
        "email_queue": (
            (
                "insert into email_queue (user_id, kind, about, status, created_at)"
                " select max(id), 'show_result', 'show:' || $1::int, 'sent', now() - make_interval(days => $1) from users"
            ),
            retention.EMAIL_QUEUE_DAYS,
        ),
        "sync_jobs": (
            (
                "with j as (insert into sync_jobs (service, kind, status, created_at)"
                " values ('file', 'import', 'succeeded', now() - make_interval(days => $1)) returning id)"
                " insert into import_log (job_id, stage, outcome, message) select id, 'read', 'added', 'x' from j"
            ),
            retention.SYNC_JOBS_DAYS,
        ),
        "service_health": (
            (
                "insert into service_health (service, hour, last_status)"
                " values ('smtp', date_trunc('hour', now(), 'UTC') - make_interval(days => $1), 'ok')"
            ),
            retention.SERVICE_HEALTH_DAYS,
        ),
        "show_news": (
            (
                "insert into show_news (show_id, change, was_at, at)"
                " select max(id), 'cancelled', now(), now() - make_interval(days => $1) from shows"
            ),
            retention.SHOW_NEWS_DAYS,
        ),
        "backups": (
            (
                "insert into backups (made_at, file_name, size_bytes, host)"
                " values (now() - make_interval(days => $1), 'a.dump', 1, 'h')"
            ),
            retention.BACKUPS_DAYS,
        ),
        "level_minutes": (
            (
                "insert into level_minutes (minute, level, event_count, missed_count)"
                " values (date_trunc('minute', now(), 'UTC') - make_interval(days => $1), 'push', 1, 0)"
            ),
            retention.LEVEL_MINUTES_DAYS,
        ),
        "activity": (
            (
                "insert into activity (position, previous, kind, name, created_at)"
                " values ($1::int, 0, 'live', 'Show', now() - make_interval(days => $1))"
            ),
            retention.ACTIVITY_DAYS,
        ),
        "sessions": (
            (
                "insert into sessions (user_id, kind, expires_at)"
                " select max(id), 'fan', now() + make_interval(hours => 1 - $1) from users"
            ),
            1,
        ),
        "merge_rows": (
            (
                "with m as (insert into merges (kind, survivor_id, duplicate_id, duplicate, made_by, made_at)"
                " select 'song', 1, 2, '{}', 1, now() - make_interval(days => $1) returning id)"
                " insert into merge_rows (merge_id, relation, was) select id, 'songs', '{}' from m"
            ),
            retention.MERGES_DAYS,
        ),
        "merge_folds": (
            (
                "with m as (insert into merges (kind, survivor_id, duplicate_id, duplicate, made_by, made_at)"
                " select 'song', 1, 2, '{}', 1, now() - make_interval(days => $1) returning id)"
                " insert into merge_folds (merge_id, show_id, gone_id, kept_id, gone, history)"
                " select m.id, min(w.id), 1, 2, '{}', '{}' from m, shows w group by m.id"
            ),
            retention.MERGES_DAYS,
        ),
        "vote_groups": (
            (
                "with w as (insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at,"
                " closes_at, finalised_at) select 'final-' || $1::int, artist_id, venue_id, name, local_date, time_zone,"
                " starts_at, opens_at, closes_at, now() - make_interval(days => $1) from shows order by id limit 1"
                " returning id)"
                " insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
                " select id, 9, '[]', 1, now(), now() from w"
            ),
            retention.VOTE_GROUPS_DAYS,
        ),
        "removed_songs": (
            (
                "insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, note, vote_count, removed_at)"
                " select 1000 + $1::int, show_id, setlist_id, song_id, false, '', 1, now() - make_interval(days => $1)"
                " from setlist_songs order by id limit 1"
            ),
            retention.REMOVED_SONGS_DAYS,
        ),
        "webhook_events": (
            (
                "insert into webhook_events (type, show_id, data, at)"
                " values ('show.final', 1, '{}', now() - make_interval(days => $1))"
            ),
            retention.WEBHOOK_EVENTS_DAYS,
        ),
        "external_cache": (
            (
                "insert into external_cache (service, asked, kind, fresh_until)"
                " values ('spotify', '/' || $1::int, 'artist', now() - make_interval(days => $1))"
            ),
            retention.ANSWERS_DAYS,
        ),
        "webpush_notices": (
            (
                "insert into webpush_notices (user_id, kind, show_id, made_at, expires_at)"
                " select max(id), 'song_on', $1::int, now() - make_interval(days => $1), now() from users"
            ),
            retention.WEBPUSH_NOTICES_DAYS,
        ),
        "database_operations": (
            (
                "insert into database_operations (operation, status, started_at, finished_at)"
                " values ('cleanup', 'failed', now() - make_interval(days => $1), now())"
            ),
            retention.OPERATIONS_DAYS,
        ),
    }
    for insert, past in old_and_young.values():
        await factory.sql.execute(insert, past + 1)
        await factory.sql.execute(insert, past - 1)
    await factory.sql.execute(
        "insert into email_queue (user_id, kind, about, not_before, created_at)"
        " select max(id), 'show_result', 'show:999', now() + interval '1 day', now() - interval '1 year' from users"
    )
    partition = await factory.last_partition()
    await factory.sql.execute(f"drop table {partition}")

    await factory.sql.execute("insert into cast_orders select max(id), 999, 1 from users")

    result = (await admin.done(operation="cleanup"))["result"]
    names = {
        "vote_limits": "user_vote_limits",
        "operations": "database_operations",
        "provider_answers": "external_cache",
    }
    tables = {names.get(name, name): count for name, count in result.items()}
    assert tables.keys() == {
        *old_and_young, "cast_orders", "provider_links", "played_setlists", "orphaned_users", "partitions_made",
        "address_hashes",
    }  # fmt: skip
    assert tables["orphaned_users"] == 0
    assert tables["cast_orders"] == 1
    for table in old_and_young:
        # A node's writer deletes old commits by itself, and may have been faster.
        assert tables[table] == 1 or table == "log_commits", table
        # The young one; a letter that must still be sent; this operation; the news of the shows. The health of others is what the node saw.
        left = {"email_queue": 2, "database_operations": 2, "activity": 4}.get(table, 1)
        others = " where service = 'smtp'" if table == "service_health" else ""
        assert await factory.sql.fetchval(f"select count(*) from {table}{others}") == left, table
    assert await factory.sql.fetchval("select count(*) from import_log") == 1
    assert await factory.sql.fetchval("select to_regclass($1) is not null", partition)


async def test_cleanup_deletes_setlists_that_setlist_fm_lets_nobody_keep(admin: ApiClient, factory: RowFactory) -> None:
    """An actual setlist that setlist.fm has not shown for longer than its days is deleted."""
    await factory.show(7)
    # The node did the same by itself after its start, before it wrote the days in numbers.
    await until(lambda: factory.sql.fetchval("select count(*) from platform_stats"))
    await factory.sql.execute(
        "with l as (insert into setlists (show_id, type, name) values (7, 'actual', 'Played') returning id)"
        " insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select l.id, 7, (select min(id) from songs), 1 from l;"
        "insert into show_identities (service, external_id, show_id, checked_at, confidence, evidence, songs)"
        " values ('setlistfm', 'played', 7, now() - interval '15 days', 1, 'told', songs_in_order(7, 'actual'))"
    )
    result = (await admin.done(operation="cleanup"))["result"]
    assert result["played_setlists"] == 1
    assert await factory.sql.fetchval("select array_agg(type::text) from setlists") == ["predicted"]


async def test_old_rows_are_deleted_without_a_request_but_no_account_is(database_url: str) -> None:
    """The chore runs once a day; orphaned accounts are searched only on request."""
    chore = Retention({}).chore()
    assert chore.every_s == 86_400
    async with RowFactory.open(database_url) as factory:
        await factory.sql.execute(
            "insert into service_health (service, hour, last_status)"
            " values ('smtp', date_trunc('hour', now(), 'UTC') - interval '500 days', 'ok');"
            "insert into users (token_until) values (now() - interval '1 year')"
        )
        await chore.work(factory.sql)
        assert await factory.sql.fetchval("select count(*) from service_health") == 0
        assert await factory.sql.fetchval("select count(*) from users") == 1


async def test_provider_data_are_deleted_unless_they_are_shown_again(
    factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Responses, ids, links and open questions are deleted by each service's own days, in batches; links to setlists, decisions
    of people and everything of ours stay.
    """
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    (played, planned) = (await factory.show(7), await factory.show(8))
    await factory.sql.execute("insert into setlists (show_id, type, name) values (7, 'actual', 'Played')")
    kept_days = {"setlistfm": 2, "spotify": 4}
    ours = "select (select count(*) from shows), (select count(*) from songs), (select count(*) from setlists)"
    before = await factory.sql.fetchrow(ours)
    for service, days in kept_days.items():
        for age in (days - 1, days + 1, days + 2, days + 3):
            told = (service, f"{age}", age)
            await factory.sql.execute(
                "insert into external_cache (service, asked, kind, fetched_at, fresh_until)"
                " values ($1, '/' || $2, 'artist', now() - make_interval(days => $3), now() + interval '1 year')",
                *told,
            )
            for kind, our_id in (("artist", 1), ("venue", 1), ("song", await first_song(factory)), ("show", 8)):
                sure = "" if kind == "song" else ", confidence, evidence"
                values = "" if kind == "song" else ", 1, 'told'"
                await factory.sql.execute(
                    f"insert into {kind}_identities (service, external_id, checked_at, {kind}_id{sure})"
                    f" values ($1, $2, now() - make_interval(days => $3), $4{values})",
                    *told, our_id,
                )  # fmt: skip
            await factory.sql.execute(
                "insert into identity_reviews (service, external_id, created_at, name, artist_id, confidence, evidence)"
                " values ($1, $2, now() - make_interval(days => $3), 'Somebody', 1, 0.5, 'its name alone')",
                *told,
            )
    await factory.sql.execute(
        "insert into show_identities (service, external_id, show_id, checked_at, confidence, evidence)"
        " values ('setlistfm', 'played', 7, now() - interval '1 year', 1, 'told');"
        "insert into external_cache (service, asked, kind, fetched_at, fresh_until)"
        " values ('spotify', 'withdrawn /x', 'withdrawn', now() - interval '20 days', now() + interval '10 days');"
        "update identity_reviews set verdict = 'different', decided_at = now() where external_id = '5'"
    )
    await Retention(kept_days).chore().work(factory.sql)

    async def left(table: str) -> set[tuple[str, str]]:
        name = "asked" if table == "external_cache" else "external_id"
        return {tuple(row) for row in await factory.sql.fetch(f"select service::text, ltrim({name}, '/') from {table}")}

    young = {("setlistfm", "1"), ("spotify", "3")}
    for kind in ("artist", "venue", "song"):
        assert await left(f"{kind}_identities") == young
    # Links to setlists stay.
    of_setlistfm = {("setlistfm", age) for age in ("1", "3", "4", "5", "played")}
    assert await left("show_identities") == of_setlistfm | {("spotify", "3")}
    assert await left("external_cache") == young | {("spotify", "withdrawn /x")}
    assert await left("identity_reviews") == young | {("setlistfm", "5"), ("spotify", "5")}
    assert await factory.sql.fetchrow(ours) == before
    assert (played.id, planned.id) == (7, 8)


async def first_song(factory: RowFactory) -> int:
    song_id: int = await factory.sql.fetchval("select min(id) from songs")
    return song_id


async def test_only_users_without_any_data_are_deleted(
    admin: ApiClient, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old user with a row in any table that refers to users stays; staff, nobodies and new ones too; in batches."""
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    show = await factory.show(7)
    old = "insert into users (token_until, role, nobody) select now() - interval '31 days', $1, $2 returning id"

    async def old_user(role: str = "user", nobody: int | None = None) -> int:
        user_id: int = await factory.sql.fetchval(old, role, nobody)
        return user_id

    reviewed = await old_user()
    review = await factory.sql.fetchval(
        "insert into venue_reviews (venue_id, user_id, rating) values (1, $1, 5) returning id", reviewed
    )
    await factory.sql.execute(
        "insert into show_accuracy (show_id, offered, predicted, hits, played) values (7, 3, 1, 1, 1)"
    )
    rows = {
        "voter_accuracy": "(show_id, user_id, predicted, hits, played) values (7, $1, 1, 1, 1)",
        "votes": f"(setlist_song_id, user_id, show_id, choice, cast_at) values ({show.first}, $1, 7, 'up', now())",
        "vote_analytics": f"(show_id, setlist_song_id, user_id, choice, cast_at) values (7, {show.first}, $1, 'up', now())",
        "user_profiles": "(user_id, display_name) values ($1, 'Ana')",
        "song_suggestions": "(show_id, user_id, title) values (7, $1, 'Encore')",
        "ticket_codes": "(show_id, code_hash, user_id, redeemed_at) values (7, sha256('a'), $1, now())",
        "user_identities": "(issuer, subject, user_id) values ('i', 'ana', $1)",
        "user_vote_limits": "(user_id, day, spent) values ($1, current_date, 1)",
        "cast_orders": "(user_id, show_id, cast_order) values ($1, 7, 1)",
        "user_follows_artists": "(user_id, artist_id) values ($1, 1)",
        "user_show_attendance": "(user_id, show_id) values ($1, 7)",
        "venue_reviews": "(venue_id, user_id, rating) values (1, $1, 5)",
        "reports": f"(reporter_id, review_id, reason) values ($1, {review}, 'rude')",
        "reports (decided)": f"(decided_by, decided_at, status, review_id, reason) values ($1, now(), 'upheld', {review}, 'x')",
        "content_moderation": f"(decided_by, decided_at, status, review_id) values ($1, now(), 'approved', {review})",
        "moderation_log": "(moderator_id, action, subject) values ($1, 'review.approve', 'review:1')",
        "audit_log": "(actor_id, action) values ($1, 'show.lock')",
        "user_bans": "(user_id, kind, reason) values ($1, 'vote', 'spam')",
        "user_bans (by)": f"(user_id, banned_by, kind, reason) values ({reviewed}, $1, 'vote', 'spam')",
        "user_bans (lifted)": f"(user_id, lifted_by, lifted_at, kind, reason) values ({reviewed}, $1, now(), 'vote', 'spam')",
        "identity_reviews": "(decided_by, decided_at, verdict, service, external_id, name, artist_id, confidence, evidence)"
        " values ($1, now(), 'same', 'spotify', 'x', 'Ana', 1, 0.5, 'its name alone')",
        "calendar_feeds": "(user_id) values ($1)",
        "email_preferences": "(user_id, address) values ($1, 'a@example.org')",
        "email_queue": "(user_id, kind, about) values ($1, 'show_result', 'show:7')",
        "email_log": "(queue_id, user_id, kind, status) values (1, $1, 'show_result', 'sent')",
        "picks": "(show_id, user_id, song_ids, picked_at) values (7, $1, '{1}', now())",
        "standings": "(board, subject_id, user_id, points, show_count, rank, number) values ('show', 7, $1, 1, 1, 1, 1)",
        "ledger_secrets": "(user_id, secret) values ($1, sha256('f'))",
        "ledger_notes": "(kind, show_id, user_id, at) values ('set_aside', 7, $1, now())",
        "api_keys": "(name, key_hash, role, user_id) values ('k', sha256('k'), 'user', $1)",
        "database_operations": "(started_by, operation, status, finished_at) values ($1, 'cleanup', 'failed', now())",
    }
    crew = await factory.sql.fetchval("insert into crews (code, name) values ('0123456789abcdef', 'Crew') returning id")
    rows["crew_members"] = f"(crew_id, user_id) values ({crew}, $1)"
    group = await factory.sql.fetchval(
        "insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
        " values (7, 1, '[]', 1, now(), now()) returning id"
    )
    rows["vote_group_members"] = f"(show_id, user_id, group_id) values (7, $1, {group})"
    rows["vote_groups"] = (
        "(show_id, score, reasons, ballot_count, began_at, ended_at, decision, decided_by, decided_at)"
        " values (7, 1, '[]', 1, now(), now(), 'set_aside', $1, now())"
    )
    # A user with a valid token may vote at any moment, however old the account is.
    signed_in = "insert into users (created_at) select now() - interval '80 days' returning id"
    kept = {reviewed, await old_user("moderator"), await old_user("user", 1), *(await factory.users(1))}
    kept.add(await factory.sql.fetchval(signed_in))
    for table, values in rows.items():
        user_id = await old_user()
        await factory.sql.execute(f"insert into {table.split()[0]} {values}", user_id)
        kept.add(user_id)
    named = await factory.sql.fetch(
        "select conrelid::regclass::text as name from pg_constraint where contype = 'f' and confrelid = 'users'::regclass"
    )
    # A session of an account whose last token has ended is over, and removed and merged votes wait for nobody. The best
    # voters are in voter_accuracy too. A device is told nothing after the last token.
    idle = {
        "sessions", "removed_votes", "merge_votes", "merge_rows", "exports", "best_voters", "webpush_devices",
        "webpush_notices",
    }  # fmt: skip
    assert {row["name"] for row in named} - idle <= {table.split()[0] for table in rows}, "a table is missing above"
    orphans = [await old_user() for _ in range(5)]

    result = (await admin.done(operation="cleanup"))["result"]
    assert result["orphaned_users"] == len(orphans)
    left = {row["id"] for row in await factory.sql.fetch("select id from users")}
    assert kept <= left
    assert not left & set(orphans)
