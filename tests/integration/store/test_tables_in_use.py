"""Existing code writes and reads every table of the schema, and a column uses every enum.

A way is written in the order of its steps: a named query, the functions it calls (`name()`), and the tables whose triggers call the
next one (`table!`), up to the statement that writes or reads the table itself.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import server

FOLDER = Path(server.__file__).parent
TABLES_MIN, ENUMS_MIN = 29, 13

COMMIT = "voting/voting.sql:commit_log > commit_log() > commit_votes()"
MERGE = "catalog/merging.sql:merge_entries > merge_entries()"
COUNT = "insight/statistics.sql:count_votes > count_votes()"
RECOUNT = "insight/statistics.sql:recount_scope > recount_scope()"
MARKS = "voting/voting.sql:commit_log > commit_log() > commit_marks()"

# table: (the way that writes it, the way that reads it)
TABLES = {
    "users": ("people/sessions.sql:sign_up > sign_up()", "people/accounts.sql:fetch_account"),
    "sessions": ("people/sessions.sql:sign_up > sign_up()", "people/sessions.sql:list_sessions"),
    "song_suggestions": ("catalog/suggestions.sql:insert_suggestion", "catalog/suggestions.sql:pending_suggestions"),
    "ticket_codes": ("people/tickets.sql:insert_codes", "voting/voting.sql:fetch_warm_up_ballots"),
    "user_identities": ("people/sessions.sql:sign_in_as > sign_in_as()", "people/export.sql:identities"),
    "user_profiles": ("people/profiles.sql:update_profile", "people/export.sql:profile"),
    "user_follows_artists": (MARKS, "people/follows.sql:list_follows"),
    "user_show_attendance": (MARKS, "people/follows.sql:list_attendance"),
    "artists": ("sync/records.sql:put_artists", "catalog/catalogue.sql:bill_of_show"),
    "venues": ("sync/records.sql:put_venues", "catalog/catalogue.sql:list_venues"),
    "songs": ("sync/records.sql:put_songs", "catalog/catalogue.sql:song_by_id"),
    "shows": ("sync/records.sql:put_shows", "catalog/catalogue.sql:list_shows"),
    "setlists": ("sync/records.sql:put_sets", "catalog/catalogue.sql:songs_of_show"),
    "setlist_songs": ("sync/records.sql:put_set_songs", "catalog/catalogue.sql:songs_of_show"),
    "show_artists": ("sync/records.sql:put_supports", "catalog/catalogue.sql:bill_of_show"),
    "artist_songs": (
        "sync/records.sql:put_set_songs > setlist_songs! > count_inserted_setlist_songs()",
        "catalog/catalogue.sql:songs_of_artist",
    ),
    "artist_stats": (
        MARKS + " > user_follows_artists! > count_follows()",
        "people/relation_counts.sql:follower_counts",
    ),
    "removed_songs": (
        "catalog/setlist_editing.sql:delete_set_song > setlist_songs! > keep_removed_song()",
        "catalog/removed_songs.sql:list_removed",
    ),
    "removed_votes": (
        "catalog/setlist_editing.sql:delete_set_song > setlist_songs! > keep_removed_song()",
        "people/export.sql:removed_votes",
    ),
    "merges": (MERGE, "catalog/merging.sql:list_merges"),
    "merge_rows": (MERGE, "people/export.sql:merged_rows"),
    "merge_folds": (MERGE + " > merge_songs() > merge_song() > fold_songs()", "catalog/merging.sql:shows_of_folds"),
    "merge_votes": (MERGE + " > merge_songs() > merge_song() > fold_songs()", "people/export.sql:merged_votes"),
    "vote_groups": ("abuse/watch.sql:insert_group", "abuse/groups.sql:list_groups"),
    "vote_group_members": ("abuse/watch.sql:insert_group", "voting/voting.sql:fetch_warm_up_ballots"),
    "votes": (COMMIT, "voting/voting.sql:fetch_warm_up_ballots"),
    "vote_analytics": (COMMIT, "people/export.sql:vote_history"),
    "vote_rollups": (COMMIT, "insight/statistics.sql:cast_votes > hours_of_scope()"),
    "user_vote_limits": (COMMIT, "voting/voting.sql:fetch_warm_up_ballots"),
    "cast_orders": ("voting/voting.sql:commit_log > commit_log()", "voting/voting.sql:fetch_warm_up_ballots"),
    "picks": ("voting/voting.sql:commit_log_with_picks > commit_picks()", "game/scores.sql:read_picks"),
    "picked_shows": ("voting/voting.sql:commit_log_with_picks > commit_picks()", "game/scores.sql:find_game"),
    "standings": ("game/standings.sql:put_show_standings > put_show_standings()", "game/standings.sql:page_of_board"),
    "boards_to_count": (
        "game/standings.sql:put_show_standings > put_show_standings()",
        "game/standings.sql:boards_to_count",
    ),
    "tours": ("game/tours.sql:insert_tour", "game/tours.sql:list_tours"),
    "crews": ("game/crews.sql:make_crew > make_crew()", "game/crews.sql:own_crews"),
    "crew_members": ("game/crews.sql:make_crew > make_crew()", "game/crews.sql:own_crews"),
    "log_positions": (COMMIT, "voting/voting.sql:fetch_positions"),
    "log_commits": (COMMIT, "voting/voting.sql:fetch_commits"),
    "show_trending": (
        COMMIT + " > votes! > move_heat() > shift_heat()",
        "insight/insight.sql:trending_shows > get_trending_shows()",
    ),
    "votes_to_count": (
        COMMIT + " > vote_analytics! > note_votes_to_count()",
        COUNT,
    ),
    "voters_to_count": (COMMIT + " > vote_analytics! > note_votes_to_count()", COUNT),
    "vote_minutes": (COUNT, "insight/statistics.sql:recent_minutes"),
    "song_hours": ("insight/statistics.sql:note_song_hours", "insight/statistics.sql:leading_songs"),
    "platform_hours": (COUNT, "insight/statistics.sql:cast_votes > hours_of_scope()"),
    "show_days": (COUNT, "insight/statistics.sql:days_of_shows"),
    "voter_days": (COUNT, RECOUNT + " > recount_voters()"),
    "set_aside_hours": (COUNT, "insight/statistics.sql:cast_votes > hours_of_scope()"),
    "set_asides_to_count": (
        COMMIT + " > apply_decisions() > vote_group_members! > count_changed_members() > move_ballots()",
        COUNT,
    ),
    "voter_links": (COUNT, "insight/statistics.sql:voters"),
    "best_voters": (
        "insight/statistics.sql:refresh_best_voters > refresh_best_voters()",
        "insight/statistics.sql:top_voters > most_accurate_voters()",
    ),
    "scopes_to_recount": (
        "sync/forgetting.sql:delete_shows > shows! > note_scopes()",
        "insight/statistics.sql:scopes_to_recount",
    ),
    "artists_to_rank": (
        COMMIT + " > votes! > move_heat() > shift_heat()",
        "insight/insight.sql:trending_artists > get_trending_artists()",
    ),
    "show_accuracy": (
        "insight/accuracy.sql:score_show > score_show()",
        "catalog/catalogue.sql:status_of_show > accuracy_of()",
    ),
    "voter_accuracy": ("insight/accuracy.sql:score_show > score_show()", "people/export.sql:accuracy"),
    "shows_to_score": (
        "sync/records.sql:put_set_songs > setlist_songs! > note_shows_to_score()",
        "insight/accuracy.sql:shows_to_score",
    ),
    "venue_reviews": ("people/reviews.sql:insert_review", "people/reviews.sql:list_reviews"),
    "content_moderation": ("moderation/text_review.sql:enter_queue", "moderation/queue.sql:list_queue"),
    "reports": ("moderation/reports.sql:insert_report", "moderation/decisions.sql:find_report"),
    "user_bans": ("people/accounts.sql:insert_ban", "moderation/bans.sql:active_bans"),
    "moderation_log": ("moderation/logs.sql:insert_moderation_entry", "moderation/decisions.sql:list_decisions"),
    "audit_log": ("moderation/logs.sql:insert_audit_entry", "people/export.sql:audit_log"),
    "acts_to_chain": (
        "moderation/logs.sql:insert_audit_entry > audit_log! > note_acts_to_chain()",
        "moderation/audit_chain.sql:chain_acts > chain_acts()",
    ),
    "audit_chain": ("moderation/audit_chain.sql:chain_acts > chain_acts()", "moderation/audit_chain.sql:links"),
    "email_preferences": ("mail/routes.sql:save_preferences", "mail/routes.sql:fetch_preferences"),
    "email_queue": ("mail/enqueuer.sql:enqueue_announcements", "mail/sender.sql:claim_due"),
    "email_log": ("mail/sender.sql:settle", "people/export.sql:email_log"),
    "calendar_feeds": ("people/calendars.sql:renew_nonce", "people/calendars.sql:fetch_nonce"),
    "brands": ("catalog/brands.sql:insert_brand", "catalog/brands.sql:served_brands"),
    "email_unsubscribes": ("mail/unsubscribes.sql:stop_address", "mail/unsubscribes.sql:fetch_stop"),
    "api_keys": ("people/keys.sql:insert_key", "people/keys.sql:list_keys"),
    "sync_jobs": ("sync/jobs.sql:insert_job", "sync/jobs.sql:list_jobs"),
    "sync_progress": ("sync/jobs.sql:put_progress", "sync/jobs.sql:list_jobs"),
    "import_log": ("sync/jobs.sql:insert_outcomes", "sync/jobs.sql:list_jobs"),
    "external_cache": ("sync/clients/cache.sql:put_answer", "sync/clients/cache.sql:fetch_answer"),
    "artist_identities": ("sync/records.sql:put_identities", "sync/records.sql:find_identity"),
    "venue_identities": ("sync/identities.sql:put_venue_identity", "sync/identities.sql:find_venue_by_id"),
    "show_identities": ("sync/identities.sql:put_show_identity", "sync/identities.sql:find_shows_by_id"),
    "song_identities": ("sync/identities.sql:put_song_identities", "catalog/catalogue.sql:sources_of_song"),
    "identity_reviews": ("sync/identities.sql:put_review", "sync/identities.sql:list_reviews"),
    "show_predictions": ("sync/identities.sql:put_prediction", "sync/identities.sql:fetch_prediction"),
    "sync_schedules": ("sync/jobs.sql:put_schedules", "sync/jobs.sql:take_schedules"),
    "sync_pauses": ("sync/jobs.sql:pause_service", "sync/jobs.sql:claim_jobs"),
    "service_alerts": ("admin/alerts.sql:change_alerts", "sync/routes.sql:fetch_alert"),
    "service_health": ("admin/health.sql:add_health", "admin/health.sql:fetch_health"),
    "show_news": ("catalog/show_control.sql:update_show > shows! > note_show_news()", "mail/enqueuer.sql:enqueue_news"),
    "backups": ("admin/backups.sql:insert_backup", "admin/backups.sql:newest_backup"),
    "level_minutes": ("admin/levels.sql:add_minutes", "admin/levels.sql:fetch_windows"),
    "activity": (
        COMMIT + " > votes! > count_inserted_votes() > move_tallies() > shows! > tell_of_show() > add_activity()",
        "insight/activity.sql:fetch_activity",
    ),
    "activity_clock": (
        "catalog/show_status.sql:advance_shows > shows! > tell_of_show() > add_activity()",
        "insight/activity.sql:activity_position",
    ),
    "exports": ("people/exports.sql:ask_for_export > ask_for_export()", "people/exports.sql:claim_export"),
    "installation": ("people/sessions.sql:make_installation", "people/sessions.sql:fetch_installation"),
    "platform_stats": (
        "admin/statistics.sql:refresh_platform_stats > refresh_platform_stats()",
        "admin/statistics.sql:platform_days",
    ),
    "webhooks": ("webhooks/routes.sql:insert_webhook", "webhooks/routes.sql:list_webhooks"),
    "webhook_events": (
        COMMIT
        + " > votes! > count_inserted_votes() > move_tallies() > shows! > tell_of_show() > queue_webhook_events()",
        "webhooks/sender.sql:claim_due",
    ),
    "webhook_deliveries": ("webhooks/sender.sql:fan_out", "webhooks/routes.sql:list_deliveries"),
    "open_shows": (
        "sync/records.sql:put_shows > shows! > note_voting_of_new() > note_voting()",
        "webhooks/sender.sql:note_due_voting > note_due_voting()",
    ),
    "ledger_notes": (COMMIT + " > vote_analytics! > note_casts_for_ledger()", "ledger/sequencer.sql:lock_notes"),
    "ledger_epochs": ("ledger/sequencer.sql:insert_epoch", "ledger/sequencer.sql:fetch_epoch"),
    "ledger_logs": ("ledger/sequencer.sql:put_logs", "ledger/routes.sql:fetch_log > ledger_log()"),
    "ledger_entries": ("ledger/sequencer.sql:insert_entries", "ledger/routes.sql:fetch_entries > ledger_opened()"),
    "ledger_nodes": ("ledger/sequencer.sql:insert_nodes", "ledger/routes.sql:fetch_hashes > ledger_hashes()"),
    "ledger_secrets": ("ledger/sequencer.sql:put_secrets", "ledger/routes.sql:fetch_own > ledger_own()"),
    "webpush_key": ("webpush/routes.sql:make_key", "webpush/routes.sql:fetch_key"),
    "webpush_devices": ("webpush/routes.sql:put_device", "webpush/routes.sql:list_devices"),
    "webpush_notices": ("webpush/notices.sql:make_notices", "webpush/sender.sql:claim_due"),
    "webpush_deliveries": ("webpush/notices.sql:make_notices", "webpush/sender.sql:claim_due"),
    "database_operations": ("admin/operations.sql:insert_operation", "admin/operations.sql:operation_by_id"),
}

# dbmate's table.
NOT_OURS = {"schema_migrations"}


def without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


@cache
def code() -> str:
    """The Python of the server."""
    return "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))


@cache
def called_names() -> set[str]:
    """Names that stand as an attribute, as a text, or as the field of an export that the query of the same name fills."""
    return set(re.findall(r"[.\"'](\w+)", code())) | set(re.findall(r"^    (\w+): ", code(), re.MULTILINE))


@cache
def named_queries() -> dict[str, str]:
    """Every named query, as `folder/file.sql:name`, and its text."""
    found = {}
    for path in FOLDER.rglob("*.sql"):
        for name, text in re.findall(
            r"^-- name: (\w+)\S*\n(.*?)(?=^-- name: |\Z)", path.read_text(), re.MULTILINE | re.DOTALL
        ):
            found[f"{path.relative_to(FOLDER).as_posix()}:{name}"] = without_comments(text)
    return found


def mentions(text: str, table: str, *, writes: bool) -> bool:
    verbs = r"insert\s+into|update|delete\s+from|copy" if writes else r"(?<!delete )from|join|,"
    return re.search(rf"(?:{verbs})\s+(?:only\s+|public\.)?{table}\b", text, re.IGNORECASE) is not None


async def broken(sql: Any, table: str, way: str, *, writes: bool) -> str:
    """The first step of a way that does not lead to the next; empty: it leads to the table."""
    queries = named_queries()
    steps = way.split(" > ")
    text = queries.get(steps[0])
    if text is None:
        return f"there is no query {steps[0]}"
    name = steps[0].rpartition(":")[2]
    if name not in called_names():
        return f"nothing calls {steps[0]}"
    before = steps[0]
    for step in steps[1:]:
        if step.endswith("!"):
            if not mentions(text, step[:-1], writes=True):
                return f"{before} does not write {step[:-1]}"
            rows = await sql.fetch(
                "select pg_get_triggerdef(oid) as text from pg_trigger where tgrelid = $1::text::regclass", step[:-1]
            )
            text = "\n".join(row["text"] for row in rows)
        else:
            if f"{step[:-1]}" not in text:
                return f"{before} does not call {step}"
            text = await sql.fetchval(
                "select string_agg(pg_get_functiondef(oid), '') from pg_proc where proname = $1", step[:-2]
            )
            if text is None:
                return f"there is no function {step}"
            text = without_comments(text)
        before = step
    return "" if mentions(text, table, writes=writes) else f"{before} does not {'write' if writes else 'read'} {table}"


async def test_every_table_is_listed(sql: Any) -> None:
    """The list has exactly the tables of the schema without partitions, and at least TABLES_MIN."""
    rows = await sql.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition"
        " and oid not in (select objid from pg_depend where deptype = 'e')"
    )
    assert {row["relname"] for row in rows} - NOT_OURS == TABLES.keys()
    assert len(TABLES) >= TABLES_MIN


async def test_every_table_is_written_and_read(sql: Any) -> None:
    """Each way exists, step by step, and begins with a query that is called."""
    found = []
    for table, (writing, reading) in TABLES.items():
        for way, writes in ((writing, True), (reading, False)):
            if problem := await broken(sql, table, way, writes=writes):
                found.append(f"{table}: {problem}")
    assert not found, "\n".join(found)


async def test_every_query_is_called() -> None:
    """A named query that nothing calls is dead: code names it as an attribute of its file, or as the field of an export."""
    uses = set(re.findall(r"^    (\w+): ", (FOLDER / "people" / "export.py").read_text(), re.MULTILINE))
    imports = re.findall(r"^(?: *)from server\.[\w.]+\.queries import ([^\n]+)$", code(), re.MULTILINE)
    aliases = {name.split(" as ")[-1].strip() for imported in imports for name in imported.split(",")}
    uses |= set(re.findall(rf"\b(?:{'|'.join(aliases)})\.(\w+)", code()))
    names = {name.rpartition(":")[2] for name in named_queries()}
    assert names - uses == set()


async def test_every_enum_is_a_columns_type(sql: Any) -> None:
    """There are at least ENUMS_MIN enums, and each is used."""
    rows = await sql.fetch(
        "select t.typname as name, exists (select from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relkind in ('r', 'p') and a.atttypid in (t.oid, t.typarray)) as is_used"
        " from pg_type t where t.typtype = 'e' and t.typnamespace = 'public'::regnamespace"
    )
    assert len(rows) >= ENUMS_MIN
    assert {row["name"] for row in rows if not row["is_used"]} == set()
