"""The rights of each role on each table, and rows to try them with, for tests/integration/store/test_row_security.py.

A new table needs an entry in EXPECTED and in ROWS. Over 400 lines: a line or two for each table.
"""

from __future__ import annotations

from dataclasses import dataclass

ANONYMOUS, USER, MODERATOR, ADMIN, WRITER = "anonymous", "user", "moderator", "admin", "writer"
ROLES = ("mysetlist_request", "mysetlist_writer")
OPERATIONS = ("select", "insert", "update", "delete")

# The rights of a role: select, insert, update, delete, each on the own row and another's. A dot: refused.
NOTHING = ".. .. .. .."
READ = "ss .. .. .."


@dataclass(frozen=True)
class Expected:
    """The rights of each role on a table."""

    anonymous: str = NOTHING
    user: str = NOTHING
    moderator: str = NOTHING
    admin: str = NOTHING
    writer: str = NOTHING


def public(writer: str = READ) -> Expected:
    return Expected(READ, READ, READ, READ, writer)


EXPECTED = {
    "artists": public(),
    "venues": public(),
    "songs": public(),
    "shows": public(writer="ss .. uu .."),
    "setlists": public(writer="ss .. uu .."),
    "setlist_songs": public(writer="ss .. uu .."),
    "show_artists": public(),
    "artist_songs": public(),
    "artist_stats": public(),
    "artist_identities": public(),
    "venue_identities": Expected(READ, READ, READ, READ),
    "show_identities": public(),
    "song_identities": Expected(READ, READ, READ, READ),
    "identity_reviews": Expected(),
    "show_predictions": public(),
    "sync_schedules": Expected(),
    "sync_pauses": Expected(),
    "service_alerts": Expected(),
    "external_cache": Expected(admin=READ),
    "show_trending": public(writer="ss ii uu dd"),
    "artists_to_rank": public(writer="ss ii .. .."),
    "votes_to_count": public(writer="ss ii .. .."),
    "voters_to_count": Expected(writer=".. ii .. .."),
    "vote_minutes": public(),
    "song_hours": public(),
    "platform_hours": public(),
    "show_days": public(writer="ss ii uu .."),
    "voter_days": Expected(writer=READ),
    "voter_links": public(),
    "set_aside_hours": public(),
    "set_asides_to_count": Expected(),
    "best_voters": Expected(),
    "scopes_to_recount": Expected(),
    "show_accuracy": public(),
    "voter_accuracy": Expected(user="s. .. .. ..", moderator=READ, admin=READ),
    "shows_to_score": Expected(),
    "audit_chain": Expected(),
    "acts_to_chain": Expected(),
    "platform_stats": public(),
    "service_health": public(),
    "level_minutes": Expected(),
    "backups": Expected(),
    "show_news": Expected(),
    "vote_rollups": public(writer="ss ii uu .."),
    "log_positions": public(writer="ss .. uu .."),
    "log_commits": Expected(writer="ss ii .. dd"),
    "users": Expected(user="s. .. .. ..", moderator=READ, admin="ss .. uu ..", writer=READ),
    "sessions": Expected(user="s. i. u. ..", moderator="s. i. u. ..", admin="s. i. u. ..", writer=READ),
    "removed_songs": Expected(READ, READ, READ, READ),
    "removed_votes": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "merges": Expected(),
    "merge_rows": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "merge_folds": Expected(READ, READ, READ, READ),
    "merge_votes": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "vote_groups": Expected(user="s. .. .. ..", moderator="ss .. uu ..", admin="ss .. uu ..", writer=READ),
    "vote_group_members": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer=READ),
    "votes": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii uu dd"),
    "vote_analytics": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii .. .."),
    "user_vote_limits": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii uu .."),
    "cast_orders": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii uu .."),
    "picks": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii uu dd"),
    "tours": public(),
    "picked_shows": public(writer="ss ii uu .."),
    "standings": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer=READ),
    "boards_to_count": Expected(writer=READ),
    "crews": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "crew_members": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "exports": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "user_profiles": Expected(user="s. i. u. d.", moderator="ss i. uu d.", admin="ss i. uu dd"),
    "user_follows_artists": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii .. dd"),
    "user_show_attendance": Expected(user="s. .. .. ..", moderator=READ, admin=READ, writer="ss ii .. dd"),
    "activity": public(),
    "activity_clock": public(),
    "installation": Expected(),
    "venue_reviews": Expected(user="s. i. u. d.", moderator="ss i. uu dd", admin="ss i. uu dd"),
    "content_moderation": Expected(user="s. i. .. ..", moderator="ss ii uu ..", admin="ss ii uu .."),
    "reports": Expected(user="s. i. .. ..", moderator="ss i. uu ..", admin="ss i. uu .."),
    "user_bans": Expected(user="s. .. .. ..", moderator="ss ii uu ..", admin="ss ii uu ..", writer=READ),
    "moderation_log": Expected(user="s. .. .. ..", moderator="ss i. .. ..", admin="ss i. .. .."),
    "audit_log": Expected(user="s. .. .. ..", moderator="s. i. .. ..", admin="ss i. .. .."),
    "email_preferences": Expected(user="s. i. u. d.", moderator="s. i. u. d.", admin="s. i. u. d."),
    "email_queue": Expected(user="s. i. .. ..", moderator="s. i. .. ..", admin="s. i. .. .."),
    "email_log": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "email_unsubscribes": Expected(),
    "calendar_feeds": Expected(user="s. i. u. d.", moderator="s. i. u. d.", admin="s. i. u. d."),
    "brands": Expected(READ, READ, READ, READ),
    "song_suggestions": Expected(user="s. i. .. d.", moderator="ss i. .. d.", admin="ss i. .. d."),
    "ticket_codes": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="ss .. .. ..", writer=READ),
    "user_identities": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "api_keys": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="ss i. uu dd"),
    "sync_jobs": Expected(admin=READ),
    "sync_progress": Expected(admin=READ),
    "import_log": Expected(admin=READ),
    "database_operations": Expected(admin=READ),
    "webhooks": Expected(),
    "webhook_events": Expected(),
    "webhook_deliveries": Expected(),
    "open_shows": Expected(),
    "ledger_epochs": Expected(),
    "ledger_logs": Expected(),
    "ledger_entries": Expected(),
    "ledger_nodes": Expected(),
    "ledger_secrets": Expected(),
    "ledger_notes": Expected(),
    "webpush_key": Expected(),
    "webpush_devices": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "webpush_notices": Expected(user="s. .. .. ..", moderator="s. .. .. ..", admin="s. .. .. .."),
    "webpush_deliveries": Expected(),
    "schema_migrations": Expected(),
}

# Personal data without a foreign key to users: the history outlives its users, a hash outlives its account.
PERSONAL = {
    "users", "vote_analytics", "voters_to_count", "voter_days", "moderation_log", "audit_log", "email_unsubscribes",
}  # fmt: skip

_SHOW = (
    "(slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
    " values ('show-{n}', {n}, {n}, 'Show', current_date, 'UTC', now(), now(), now() + interval '1 day')"
)


@dataclass(frozen=True)
class Row:
    """How row n of a table is inserted, found and changed; n is the id of its user and of its parents."""

    values: str
    where: str = "id = {n}"
    change: str = "created_at = now()"


# In the order in which they can be inserted.
ROWS = {
    "users": Row("default values", change="role = 'admin'"),
    "calendar_feeds": Row("(user_id) values ({n})", "user_id = {n}"),
    "brands": Row("(host, name) values ('host-{n}', 'Brand')"),
    "sessions": Row(
        "(user_id, kind, expires_at, ended_at) values ({n}, 'unlisted', now(), now())", change="ended_at = now()"
    ),
    "artists": Row("(slug, name) values ('artist-{n}', 'Artist')"),
    "venues": Row(
        "(slug, name, city, country, latitude, longitude, time_zone)"
        " values ('venue-{n}', 'Venue', 'Ghent', 'BE', 51, 3.7, 'Europe/Brussels')"
    ),
    "songs": Row("(artist_id, title) values ({n}, 'Song')"),
    "shows": Row(_SHOW),
    "setlists": Row("(show_id, type, name) values ({n}, 'predicted', 'Main set')"),
    "setlist_songs": Row("(setlist_id, show_id, song_id, position) values ({n}, {n}, {n}, 1)", change="position = 1"),
    "removed_songs": Row(
        "(id, show_id, setlist_id, song_id, is_tape, note, vote_count) values ({n}, {n}, {n}, {n}, false, '', 1)",
        change="note = 'x'",
    ),
    "removed_votes": Row(
        "(setlist_song_id, user_id, choice, cast_at) values ({n}, {n}, 'up', now())", "user_id = {n}", "choice = 'down'"
    ),
    "merges": Row(
        "(kind, survivor_id, duplicate_id, duplicate, made_by) values ('song', {n}, 9, '{{}}', 1)",
        "survivor_id = {n}",
        "made_by = 2",
    ),
    "merge_rows": Row(
        "(merge_id, relation, user_id, was) values ({n}, 'follow', {n}, '{{}}')", "user_id = {n}", "row_id = 1"
    ),
    "merge_folds": Row(
        "(merge_id, show_id, gone_id, kept_id, gone, history) values ({n}, {n}, 9, {n}, '{{}}', '{{}}')",
        "kept_id = {n}",
        "gone_id = 8",
    ),
    "merge_votes": Row(
        "(fold_id, user_id, choice, cast_at) values ({n}, {n}, 'up', now())", "user_id = {n}", "choice = 'down'"
    ),
    "vote_groups": Row(
        "(show_id, score, reasons, ballot_count, began_at, ended_at) values ({n}, 9, '[]', 1, now(), now())",
        change="score = 8",
    ),
    "vote_group_members": Row("(show_id, user_id, group_id) values ({n}, {n}, {n})", "user_id = {n}", "group_id = {n}"),
    "show_artists": Row(
        "(show_id, artist_id, billing, position) values ({n}, 3 - {n}, 'support', 2)",
        "show_id = {n} and billing = 'support'",
        "position = 2",
    ),
    "artist_songs": Row(
        "(artist_id, song_id) values ({n}, 3 - {n})", "artist_id = {n} and song_id <> artist_id", "played_count = 1"
    ),
    "artist_stats": Row("(artist_id) values ({n})", "artist_id = {n}", "heat = 1"),
    "show_trending": Row("values ({n}, 1, 1, true)", "show_id = {n}", "heat = 1"),
    "votes_to_count": Row(
        "values ({n}, '2026-01-01', 1, 0, 0)", "show_id = {n} and minute = '2026-01-01'", "up_count = 2"
    ),
    "voters_to_count": Row("values ({n}, {n}, '2026-01-01')", "user_id = {n}", "day = '2026-01-02'"),
    "vote_minutes": Row("values ({n}, '2026-01-01', 1)", "show_id = {n}", "vote_count = 2"),
    "song_hours": Row("values ({n}, '2026-01-01 00:00Z', 1, 1)", "setlist_song_id = {n}", "up_count = 2"),
    "platform_hours": Row("values ('2026-01-0{n}', 1, 1, 1)", "hour = '2026-01-0{n}'", "up_count = 2"),
    "show_days": Row("values ({n}, '2026-01-01')", "show_id = {n}", "vote_count = 2"),
    "voter_days": Row("values ({n}, {n}, '2026-01-01')", "user_id = {n}", "day = '2026-01-02'"),
    "set_aside_hours": Row("values ({n}, '2026-01-01 00:00Z', 1, 0, 0)", "show_id = {n}", "up_count = 2"),
    "set_asides_to_count": Row("values ({n})", "show_id = {n}", "show_id = 0"),
    "voter_links": Row("values ('show', {n}, '2026-01-01', '-infinity', 1, 1)", "scope_id = {n}", "voter_count = 2"),
    "best_voters": Row("values ({n}, 3, 1, 0.5)", "user_id = {n}", "hits = 2"),
    "scopes_to_recount": Row("values ('show', {n})", "scope_id = {n}", "scope_id = 0"),
    "artists_to_rank": Row("(artist_id) values ({n})", change="artist_id = 1"),
    "show_accuracy": Row(
        "(show_id, offered, predicted, hits, played) values ({n}, 1, 1, 1, 1)", "show_id = {n}", "hits = 0"
    ),
    "voter_accuracy": Row(
        "(user_id, show_id, predicted, hits, played) values ({n}, {n}, 1, 1, 1)", "user_id = {n}", "hits = 0"
    ),
    "shows_to_score": Row("(show_id) values ({n})", change="show_id = 1"),
    "audit_chain": Row("values ({n}, {n}, sha256(''), sha256(''))", "position = {n}", "entry_id = 0"),
    "activity": Row(
        "(position, previous, kind, show_id, name) values ({n}, 0, 'live', {n}, 'Show')", "position = {n}", "count = 1"
    ),
    "activity_clock": Row("values ({n}, {n})", "id = {n}", "position = 5"),
    "installation": Row("(is_only) values ({n} = 1)", "is_only = ({n} = 1)", "id = gen_random_uuid()"),
    "platform_stats": Row(
        "values (date '2026-01-01' + {n}, 0, 0, 0, 0, 0, 0, 0, 0, 0)", "day = date '2026-01-01' + {n}", "show_count = 1"
    ),
    "artist_identities": Row(
        "(service, external_id, artist_id, confidence, evidence) values ('spotify', '{n}', {n}, 1, 'told')",
        "artist_id = {n}",
        "confidence = 0.5",
    ),
    "venue_identities": Row(
        "(service, external_id, venue_id, confidence, evidence) values ('ticketmaster', '{n}', {n}, 1, 'told')",
        "venue_id = {n}",
        "confidence = 0.5",
    ),
    "show_identities": Row(
        "(service, external_id, show_id, confidence, evidence) values ('ticketmaster', '{n}', {n}, 1, 'told')",
        "show_id = {n}",
        "confidence = 0.5",
    ),
    "song_identities": Row(
        "(service, external_id, song_id) values ('spotify', '{n}', {n})", "song_id = {n}", "isrc = 'x'"
    ),
    "identity_reviews": Row(
        "(service, external_id, name, artist_id, confidence, evidence) values ('spotify', '{n}', 'A', {n}, 0.5, 'told')",
        "artist_id = {n}",
        "confidence = 0.6",
    ),
    "show_predictions": Row("(show_id, songs, basis) values ({n}, '{{}}', 1)", "show_id = {n}", "basis = 2"),
    "sync_schedules": Row(
        "(name, every_s) values ('s' || repeat('x', {n}), 60)", "name = 's' || repeat('x', {n})", "every_s = 61"
    ),
    "service_alerts": Row(
        "(service, status) values ('s_' || repeat('x', {n}), 'ok')",
        "service = 's_' || repeat('x', {n})",
        "detail = 'x'",
    ),
    "sync_pauses": Row(
        "(service) values ((enum_range(null::sync_service))[{n}])",
        "service = (enum_range(null::sync_service))[{n}]",
        "paused_at = 'epoch'",
    ),
    "external_cache": Row(
        "(service, asked, kind, fresh_until) values ('spotify', '/{n}', 'artist', now())",
        "asked = '/{n}'",
        "etag = 'x'",
    ),
    "service_health": Row(
        "(service, hour, last_status) values ('s_' || repeat('x', {n}), date_trunc('hour', now(), 'UTC'), 'ok')",
        "service = 's_' || repeat('x', {n})",
        "ok_count = 1",
    ),
    "show_news": Row(
        "(show_id, change, was_at) values ({n}, 'cancelled', now())", "show_id = {n}", "change = '2030-01-01'"
    ),
    "backups": Row("(file_name, size_bytes, host) values ('{n}.dump', {n}, 'h')", "size_bytes = {n}", "host = 'i'"),
    "level_minutes": Row(
        "values (date_trunc('minute', now(), 'UTC') - {n} * interval '1 minute', 'push', 2, 0)",
        "minute = date_trunc('minute', now(), 'UTC') - {n} * interval '1 minute'",
        "missed_count = 1",
    ),
    "votes": Row("values ({n}, {n}, {n}, 'up', now())", "user_id = {n}", "choice = 'down'"),
    "vote_analytics": Row(
        "(show_id, setlist_song_id, user_id, choice, cast_at) values ({n}, {n}, {n}, 'up', now())",
        "user_id = {n}",
        "choice = 'down'",
    ),
    "vote_rollups": Row("values ({n}, date_trunc('hour', now(), 'UTC'), 1)", "show_id = {n}", "up_count = 2"),
    "user_vote_limits": Row("values ({n}, current_date, 1)", "user_id = {n}", "spent = 2"),
    "cast_orders": Row("values ({n}, {n}, 1)", "user_id = {n}", "cast_order = 2"),
    "picks": Row(
        "(show_id, user_id, song_ids, picked_at) values ({n}, {n}, '{{1}}', now())", "user_id = {n}", "opener = 1"
    ),
    "picked_shows": Row("values ({n}, 1)", "show_id = {n}", "position = 2"),
    "tours": Row(
        "(artist_id, name, first_date, last_date) values ({n}, 'Tour', '2026-01-01', '2026-02-01')", change="name = 'x'"
    ),
    "standings": Row("values ('show', 1, {n}, 1, 1, {n}, {n})", "user_id = {n}", "points = 2"),
    "boards_to_count": Row("(board, subject_id) values ('show', {n})", "subject_id = {n}", "subject_id = 0"),
    "crews": Row("(code, name) values ('000000000000000{n}', 'Crew')", change="name = 'x'"),
    "crew_members": Row("(crew_id, user_id) values ({n}, {n})", "user_id = {n}", "joined_at = 'epoch'"),
    "exports": Row("(user_id) values ({n})", "user_id = {n}", "tries = 2"),
    "log_positions": Row("values ({n})", "shard = {n}", "position = 1"),
    "log_commits": Row("(shard, position, entries) values ({n}, 1, '{{}}')", "shard = {n}", "position = 2"),
    "user_profiles": Row("(user_id, display_name) values ({n}, 'Fan')", "user_id = {n}", "bio = 'Hello'"),
    "user_follows_artists": Row("values ({n}, {n})", "user_id = {n}"),
    "user_show_attendance": Row("values ({n}, {n})", "user_id = {n}"),
    "venue_reviews": Row("(venue_id, user_id, rating) values ({n}, {n}, 4)", change="rating = 3"),
    "content_moderation": Row("(review_id) values ({n})", "review_id = {n}", "note = 'seen'"),
    "reports": Row(
        "(reporter_id, review_id, reason) values ({n}, 3 - {n}, 'rude')", "reporter_id = {n}", "priority = 'high'"
    ),
    "user_bans": Row("(user_id, kind, reason) values ({n}, 'vote', 'a robot')", "user_id = {n}", "lifted_at = now()"),
    "moderation_log": Row(
        "(moderator_id, action, subject) values ({n}, 'review.approve', 'review:1')",
        "moderator_id = {n}",
        "detail = '{{}}'",
    ),
    "audit_log": Row("(actor_id, action) values ({n}, 'show.lock')", "actor_id = {n}", "detail = '{{}}'"),
    "acts_to_chain": Row("values ({n})", "entry_id = {n}", "entry_id = 0"),
    "email_preferences": Row(
        "(user_id, address) values ({n}, 'fan{n}@example.org')", "user_id = {n}", "frequency = 'daily'"
    ),
    "email_queue": Row(
        "(user_id, kind, about) values ({n}, 'confirm_address', 'address:{n}')", "user_id = {n}", "attempts = 1"
    ),
    "email_log": Row(
        "(queue_id, user_id, kind, status) values ({n}, {n}, 'show_result', 'sent')", "user_id = {n}", "detail = 'ok'"
    ),
    "email_unsubscribes": Row("values (sha256('{n}'), 'link')", "address_hash = sha256('{n}')", "reason = 'bounce'"),
    "song_suggestions": Row("(show_id, user_id, title) values ({n}, {n}, 'Song')", change="reason = 'x'"),
    "ticket_codes": Row(
        "(show_id, code_hash, user_id, redeemed_at) values ({n}, sha256('{n}'), {n}, now())",
        "user_id = {n}",
        "redeemed_at = now()",
    ),
    "user_identities": Row("(issuer, subject, user_id) values ('i', '{n}', {n})", "user_id = {n}"),
    "api_keys": Row(
        "(name, key_hash, role, user_id) values ('key', sha256('{n}'), 'user', {n})",
        "user_id = {n}",
        "revoked_at = now()",
    ),
    "sync_jobs": Row("(service, kind, subject) values ('file', 'import', '{n}')", change="status = 'failed'"),
    "sync_progress": Row("(job_id, stage, total) values ({n}, 'read', 1)", "job_id = {n}", "done = 1"),
    "import_log": Row(
        "(job_id, stage, outcome, message) values ({n}, 'read', 'added', '')", "job_id = {n}", "message = 'x'"
    ),
    "database_operations": Row(
        "(operation, status, finished_at, started_by) values ('vacuum', 'succeeded', now(), {n})",
        "started_by = {n}",
        "done = 1",
    ),
    "webhooks": Row("(url, events, secret) values ('https://h/', '{{show.final}}', sha256('{n}'))"),
    "webhook_events": Row("(type, show_id, data) values ('show.final', {n}, '{{}}')", change="is_queued = true"),
    "webhook_deliveries": Row(
        "(webhook_id, event_id, queued_at, not_before) values ({n}, {n}, now(), now())", change="state = 'dead'"
    ),
    "ledger_epochs": Row(
        "(name, origin, public_key, fingerprint, reason) values ('{n}', 'x', sha256('x'), '', 'first')",
        "name = '{n}'",
        "origin = 'y'",
    ),
    "ledger_logs": Row("values ({n}, 1, 1, sha256('x'), false, '', now())", "show_id = {n}", "was_opened = true"),
    "ledger_entries": Row(
        "values ({n}, 0, 1, 1, 1, sha256('x'), substr(sha512('x'), 1, 58))", "show_id = {n}", "first_ms = 0"
    ),
    "ledger_nodes": Row("values ({n}, 1, 0, sha256('x'))", "show_id = {n}", "hash = sha256('y')"),
    "ledger_secrets": Row("values ({n}, sha256('x'))", "user_id = {n}", "secret = sha256('y')"),
    "ledger_notes": Row(
        "(kind, show_id, user_id) values ('set_aside', 90 + {n}, {n})", "show_id = 90 + {n}", "count = 2"
    ),
    "webpush_key": Row("(is_only, private_key) values (true, sha256('{n}'))", "is_only", "created_at = now()"),
    "webpush_devices": Row(
        "(user_id, endpoint, public_key, auth_secret, kinds, time_zone) values ({n}, 'https://p/{n}',"
        " sha512('x') || '\\x00', substr(sha256('x'), 1, 16), '{{song_on}}', 'UTC')",
        change="failures = 1",
    ),
    "webpush_notices": Row(
        "(user_id, kind, show_id, made_at, expires_at) values ({n}, 'song_on', {n}, now(), now())", change="song = 'x'"
    ),
    "webpush_deliveries": Row("(notice_id, device_id, not_before) values ({n}, {n}, now())", change="attempts = 1"),
    "open_shows": Row("(show_id) values ({n})", "show_id = {n}", "show_id = show_id"),
    "schema_migrations": Row("values ('{n}')", "version = '{n}'", "version = version || 'x'"),
}
