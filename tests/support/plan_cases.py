"""Roles, statements and expected plans for tests/integration/store/test_plans.py, which explains them on crowded.sql.

A new query needs no entry as long as ROLES has its file.
"""

from __future__ import annotations

from typing import Any

from server.store.database import REQUEST_ROLE, WRITER_ROLE
from tests.support.plan_parameters import DAY, MISSPELT, TODAY

OWNER = None

# The role that runs a query: the longest matching entry. STAFF is the role of requests, for an administrator.
STAFF = "staff"
ROLES: dict[str, str | None] = {
    "abuse/groups": STAFF,
    "abuse/decisions": OWNER,
    "abuse/watch": OWNER,
    "admin/": OWNER,
    "catalog/": OWNER,
    "catalog/brands.logo_of_brand": REQUEST_ROLE,
    "catalog/brands.served_brands": REQUEST_ROLE,
    "catalog/calendars": REQUEST_ROLE,
    "catalog/catalogue": REQUEST_ROLE,
    "catalog/rotation": REQUEST_ROLE,
    "catalog/playlists": REQUEST_ROLE,
    "catalog/public_data": REQUEST_ROLE,
    "catalog/sitemap": REQUEST_ROLE,
    "catalog/show_status": WRITER_ROLE,
    "catalog/search": REQUEST_ROLE,
    "game/": WRITER_ROLE,
    "game/crews": REQUEST_ROLE,
    "game/picks": REQUEST_ROLE,
    "game/tours": OWNER,
    "game/tours.list_tours": REQUEST_ROLE,
    "game/standings.delete_reasons": OWNER,
    "game/standings.note_board": OWNER,
    "game/standings.put_show_standings": OWNER,
    "game/standings.recount_standings": OWNER,
    "insight/": REQUEST_ROLE,
    "insight/statistics.note_song_hours": OWNER,
    "insight/accuracy": OWNER,
    "insight/insight.rank_artists": OWNER,
    "insight/statistics.add_visits": WRITER_ROLE,
    "insight/statistics.count_votes": OWNER,
    "insight/statistics.scopes_to_recount": OWNER,
    "insight/statistics.recount_scope": OWNER,
    "insight/statistics.refresh_best_voters": OWNER,
    "ledger/routes": REQUEST_ROLE,
    "ledger/sequencer": OWNER,
    "live/": OWNER,
    "mail/": OWNER,
    "mail/routes": REQUEST_ROLE,
    "moderation/": STAFF,
    "moderation/audit_chain": OWNER,
    "moderation/text_review": REQUEST_ROLE,
    "people/": REQUEST_ROLE,
    "people/access_monitor": WRITER_ROLE,
    "people/access_monitor.current_key_roles": REQUEST_ROLE,
    "people/accounts": STAFF,
    "people/keys": STAFF,
    "people/exports.claim_export": OWNER,
    "people/exports.delete_old_exports": OWNER,
    "people/exports.store_export": OWNER,
    "people/ended_sessions": WRITER_ROLE,
    "people/sessions.fetch_installation": OWNER,
    "people/sessions.has_admin": OWNER,
    "people/sessions.make_installation": OWNER,
    "people/sessions.insert_user": OWNER,
    "people/sessions.lock_first_admin": OWNER,
    "people/sessions.update_role": OWNER,
    "people/tickets": STAFF,
    "people/tickets.key_codes": OWNER,
    "people/tickets.unkeyed_codes": OWNER,
    "sample/": OWNER,
    "sync/": OWNER,
    "voting/": WRITER_ROLE,
    "webhooks/": OWNER,
    "webpush/": OWNER,
    "voting/reconcile": OWNER,
}

# Queries that may read a large table whole, with the reason: {query: {table: reason}}.
_CHECK = "compares every count with its rows"
READS_ALL: dict[str, dict[str, str]] = {
    "admin/backups.table_counts": dict.fromkeys(
        ("artists", "setlist_songs", "shows", "users", "vote_analytics", "votes"), "a drill counts everything, beside the nodes"
    ),
    "admin/levels.fetch_windows": {"level_minutes": "adds up the month, at most every ten seconds while somebody watches"},
    "admin/retention.delete_vote_groups": {"vote_groups": "looks once a day at every group; a show has few"},
    "admin/retention.delete_merge_folds": {"merges": "looks once a day at every merge; administrators make few"},
    "admin/retention.delete_merge_rows": {"merges": "looks once a day at every merge; administrators make few"},
    "moderation/audit_chain.strays": dict.fromkeys(("audit_log", "audit_chain"), "an administrator has the whole log checked"),
    "ledger/sequencer.fetch_casts": {"merge_folds": "administrators make few merges, and they are kept for two days"},
    "ledger/sequencer.note_epoch": {"ledger_logs": "once after a restore: every ledger goes on under another origin"},
    "sync/jobs.queue_artists": {
        "artists": "looks once an hour at every artist to find the few that are due",
        "artist_identities": "the same",
    },
    "insight/statistics.note_song_hours": dict.fromkeys(
        ("setlist_songs", "setlists"), "half of the shows have votes in the last ten minutes here; once a minute"
    ),
    "sync/jobs.queue_of_artists": {"artist_identities": "looks once an hour at every artist that the provider knows"},
    "sync/forgetting.delete_rows": dict.fromkeys(
        ("artist_identities", "external_cache", "show_predictions"), "deletes most of the rows"
    ),
    "sync/forgetting.delete_venues": {"venues": "once in a provider's life"},
    "sync/routes.fetch_cache": {"external_cache": "an administrator asks how much is stored"},
    "admin/operations.miscounted_shows": dict.fromkeys(("setlist_songs", "setlists", "shows", "vote_group_members", "votes"), _CHECK),
    "admin/operations.violations": dict.fromkeys(
        (
            "artist_stats", "setlist_songs", "setlists", "show_artists", "shows", "user_follows_artists",
            "user_show_attendance", "venue_reviews", "venues", "vote_analytics", "vote_rollups",
            "vote_group_members", "votes",
        ),
        _CHECK,
    ),
    "admin/retention.delete_answers": {"external_cache": "once a day"},
    "admin/retention.delete_links": dict.fromkeys(
        ("artist_identities", "venue_identities", "song_identities", "show_identities", "identity_reviews"), "once a day"
    ),
    "admin/retention.delete_operations": {"database_operations": "a few rows a day, read once a day"},
    "admin/retention.delete_service_health": {"service_health": "a few rows an hour, read once a day"},
    "admin/retention.orphaned_users": dict.fromkeys(
        ("user_vote_limits", "users", "vote_analytics"), "looks for rows without a reference; reads the history once a run"
    ),
    "sample/demo.catalogue_share": {"artists": "once, before a catalogue is seeded"},
    "sample/demo.demo_state": {"shows": "once, before a demo starts"},
    "people/export.vote_history": {"vote_analytics": "the history has no index by fan: it is written far more often"},
    "insight/statistics.standing_votes": dict.fromkeys(
        ("setlist_songs", "shows"), "adds up the songs of the platform, for few clients: 20 ms for 5 million votes in 1,000 shows"
    ),
    "game/standings.picked_shows": dict.fromkeys(("picked_shows", "standings"), "reconcile looks at every board"),
    "game/standings.wrong_sums": dict.fromkeys(("shows", "standings"), "reconcile looks at every board"),
    "voting/reconcile.fetch_miscounts": dict.fromkeys(
        (
            "artist_stats", "setlist_songs", "setlists", "shows", "user_follows_artists", "user_show_attendance",
            "venue_reviews", "venues", "vote_group_members", "votes",
        ),
        _CHECK,
    ),
}  # fmt: skip

# Statements that run, so that the plans inside functions and triggers can be checked.
_VOTES = """
select commit_votes('{7}', '{20000}', '{20001}', '{"1,2"}', array_agg(e.id order by e.id), array_agg(e.position + 1),
                    array_agg(e.show_id), array_agg((case e.position when 1 then 'up' when 2 then 'down' end)::vote_choice),
                    array_agg(1800000000000 + e.id), '{2}', '{20000}', '{5}')
  from setlist_songs e where e.show_id = 7"""
CALLS: dict[str, tuple[str | None, str]] = {
    "commit_votes": (WRITER_ROLE, _VOTES),
    "commit_marks": (
        WRITER_ROLE,
        "select commit_marks('{7}', '{20001}', '{101,106}', '{7,7}', '{true,false}', '{101,106}', '{23,23}', '{false,true}')",
    ),
    "commit_picks": (
        WRITER_ROLE,
        "select commit_picks('{7}', '{20000}', '{20001}', '{101,106}', '{7,23}', '{\"1,2\",\"\"}', '{1,null}', '{2,null}', '{null,null}', '{1,1}')",
    ),
    "put_show_standings": (OWNER, "select put_show_standings(7, '{101,102}', '{5,4}', '{1,2}')"),
    "recount_artist": (OWNER, "select recount_standings('artist', 7)"),
    "recount_tour": (OWNER, "select recount_standings('tour', 7)"),
    "note_tour": (OWNER, "delete from tours where id = 8"),
    "make_crew": (REQUEST_ROLE, "select make_crew('000000000000000x', 'Crew', 20)"),
    "join_crew": (REQUEST_ROLE, "select join_crew('0000000000000007', 200, 20)"),
    "leave_crew": (REQUEST_ROLE, "select leave_crew('0000000000000102')"),
    "show_crew": (REQUEST_ROLE, "select show_crew('0000000000000007')"),
    "crew_standings": (REQUEST_ROLE, "select crew_standings('0000000000000102')"),
    "public_names": (WRITER_ROLE, "select public_names('{101,102}')"),
    "merged_songs": (WRITER_ROLE, "select merged_songs('{101,102}')"),
    "most_accurate_voters": (REQUEST_ROLE, "select * from most_accurate_voters('platform', 0, 20)"),
    "most_accurate_voters_of_a_show": (REQUEST_ROLE, "select * from most_accurate_voters('show', 4001, 20)"),
    "last_vote_at": (REQUEST_ROLE, "select last_vote_at(7)"),
    "count_votes": (OWNER, "select count_votes(1000)"),
    "forget_voter": (OWNER, "delete from users where id = 103 and not exists (select from votes where user_id = 103)"),
    "recount_voters": (OWNER, "select recount_voters('artist', 7)"),
    "get_trending_shows": (REQUEST_ROLE, "select * from get_trending_shows(20)"),
    "get_trending_artists": (REQUEST_ROLE, "select * from get_trending_artists(20)"),
    "update_trending_scores": (OWNER, "select update_trending_scores()"),
    "rank_artists": (OWNER, "select rank_artists()"),
    "rank_show": (OWNER, "update shows set status = 'finished' where id = 13999"),
    "score_show": (OWNER, "select score_show(4001)"),
    "drop_set": (OWNER, "delete from setlists where show_id = 4001 and type = 'actual'"),
    "reopen_show": (OWNER, "update shows set finalised_at = null where id = 4001"),
    "refresh_platform_stats": (OWNER, "select refresh_platform_stats(current_date)"),
    "erase_history": (OWNER, "select erase_history(102)"),
    "merged_into": (REQUEST_ROLE, "select merged_into('artist', 1000007, null)"),
    "merged_into_by_slug": (REQUEST_ROLE, "select merged_into('artist', null, 'gone-7')"),
    "find_people_by_address": (STAFF, "select find_people_by_address('fan7@example.org')"),
    "restore_song": (OWNER, "select restore_song(id, show_id) from removed_songs where id = 1000007"),
    "erase_user": (OWNER, "select erase_user(101)"),
    "sign_up": (REQUEST_ROLE, "select sign_up('', null, interval '90 days')"),
    "redeem_ticket": (STAFF, "select redeem_ticket(8, sha256('code50007'), sha256('code50007'))"),
    "sign_in_as": (REQUEST_ROLE, "select sign_in_as('https://id.example', 'fan101', interval '200 days')"),
    "sign_in_as_new": (REQUEST_ROLE, "select sign_in_as('https://id.example', 'new', interval '200 days')"),
    "renew_session": (REQUEST_ROLE, "select renew_session(101, interval '200 days')"),
    "adopt_token": (REQUEST_ROLE, "select adopt_token('', now(), true, interval '200 days')"),
    "open_link": (REQUEST_ROLE, "select open_link(101, '', interval '200 days')"),
    "make_code": (REQUEST_ROLE, "select make_code(sha256('new'), interval '5 minutes')"),
    "open_code": (REQUEST_ROLE, "select open_code(sha256('code100'), '', interval '200 days')"),
    "leave_queue": (REQUEST_ROLE, "select leave_queue(101, null)"),
    "find_people": (STAFF, "select find_people('fan abc')"),
    "use_api_key": (REQUEST_ROLE, "select use_api_key(sha256('key7'))"),
    "follow": (WRITER_ROLE, "insert into user_follows_artists (user_id, artist_id) values (101, 3999)"),
    "unfollow": (WRITER_ROLE, "delete from user_follows_artists where user_id = 101"),
    "attend": (WRITER_ROLE, "insert into user_show_attendance (user_id, show_id) values (101, 13999)"),
    "stay_away": (WRITER_ROLE, "delete from user_show_attendance where user_id = 101"),
    "tell_of_show": (OWNER, "update shows set status = 'live', vote_count = 1000000 where id = 7"),
    "tell_of_new_show": (
        OWNER,
        (
            "insert into shows (slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
            " select 'new', artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at from shows where id = 7"
        ),
    ),
    "tell_of_artist_link": (OWNER, "delete from artist_identities where artist_id = 7"),
    "tell_of_followers": (OWNER, "update artist_stats set follower_count = 1000000 where artist_id = 7"),
    "review": (REQUEST_ROLE, "insert into venue_reviews (venue_id, user_id, rating) values (3999, 101, 3)"),
    "change_review": (STAFF, "update venue_reviews set status = 'rejected' where id = 101"),
    "delete_review": (REQUEST_ROLE, "delete from venue_reviews where user_id = 101"),
    "delete_profile": (OWNER, "delete from user_profiles where user_id = 102"),
    "delete_user": (OWNER, "delete from users where id = 102 and not exists (select from votes where user_id = 102)"),
    "rename_artist": (OWNER, "update artists set name = 'Another' where id = 7"),
    "rename_venue": (OWNER, "update venues set city = 'Elsewhere' where id = 7"),
    "rename_show": (OWNER, "update shows set name = 'Another' where id = 7"),
    "move_show": (OWNER, "update shows set artist_id = 9 where id = 7"),
    "put_song": (OWNER, "update setlist_songs set song_id = 9 where show_id = 7 and position = 3"),
    "put_set": (OWNER, "update setlists set type = 'actual', position = 2 where show_id = 7 and type = 'predicted'"),
    "delete_show": (OWNER, "delete from shows where id = 12531"),
    "delete_artist": (
        OWNER,
        "insert into artists (slug, name) values ('new', 'New'); delete from artists where slug = 'new'",
    ),
    "delete_venue": (
        OWNER,
        (
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('new', 'New', 'Oslo', 'NO', 59, 10, 'Europe/Oslo'); delete from venues where slug = 'new'"
        ),
    ),
    "note_due_voting": (OWNER, "select note_due_voting(now() - interval '1 minute')"),
    "note_voting": (OWNER, "update shows set closes_at = now() + interval '1 hour' where id = 7"),
    "tell_of_groups": (
        OWNER,
        (
            "insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
            " values (7, 9, '[]', 2, now(), now())"
        ),
    ),
    "ledger_log": (REQUEST_ROLE, "select ledger_log(7)"),
    "ledger_hashes": (REQUEST_ROLE, "select ledger_hashes(7, 0, 0, 256), ledger_hashes(7, 1, 0, 1)"),
    "ledger_opened": (REQUEST_ROLE, "select ledger_opened(7, 0, 256)"),
    "ledger_own": (REQUEST_ROLE, "select ledger_own(7)"),
    "ledger_own_names": (REQUEST_ROLE, "select ledger_own_names()"),
    "note_votes_for_ledger": (
        OWNER,
        "update votes set choice = choice where user_id = 101",
    ),
    "note_members_for_ledger": (OWNER, "update vote_group_members set is_set_aside = true where user_id = 101"),
    "delete_webhook": (OWNER, "delete from webhooks where id = 7"),
    "delete_job": (OWNER, "delete from sync_jobs where id = 7"),
}

READS_ALL_INSIDE: dict[str, dict[str, str]] = {
    "erase_user": dict.fromkeys(("audit_log", "vote_analytics"), "logs without an index by fan; an erasure is rare"),
    "erase_history": {"vote_analytics": "the history of an older account has no index by fan; an erasure is rare"},
    "refresh_platform_stats": {"users": "counts all users of a day"},
    "update_trending_scores": dict.fromkeys(
        ("artist_stats", "setlist_songs", "show_trending", "shows", "vote_group_members", "votes"),
        "calculates every heat again",
    ),
}

# The index by which a list finds its rows, for each rare filter. This is stricter than "no table is read whole".
SHAPES: list[tuple[str, dict[str, Any], str]] = [
    ("list_shows", {}, "shows_list_idx"),
    ("list_shows", {"first_group": 1, "last_group": 1}, "shows_list_idx"),
    ("list_shows", {"after_group": 2, "after_place": -100 * DAY, "after_id": 7}, "shows_list_idx"),
    ("list_shows", {"artist_id": 7}, "shows_artist_id_idx"),
    ("list_shows", {"artist_id": 7, "first_group": 0, "last_group": 1}, "shows_artist_id_idx"),
    ("list_shows", {"venue_ids": [7]}, "shows_venue_id_idx"),
    ("list_shows", {"venue_ids": list(range(1, 4001))}, "shows_list_idx"),
    ("list_shows", {"first": TODAY, "last": TODAY}, "shows_local_date_idx"),
    ("list_shows", {"first": TODAY - 2000 * DAY}, "shows_list_idx"),
    ("list_shows", {"words": "abc"}, "shows_search_idx"),
    ("list_shows", {"words": "tour"}, "shows_list_idx"),
    ("list_shows", MISSPELT, "shows_similar_idx"),
    ("list_artists", {}, "artists_slug_key"),
    ("list_artists", {"words": "abc"}, "artists_search_idx"),
    ("list_artists", MISSPELT, "artists_similar_idx"),
    ("list_venues", {}, "venues_slug_key"),
    ("list_venues", {"words": "abc"}, "venues_search_idx"),
    ("list_venues", MISSPELT, "venues_similar_idx"),
    ("list_venues_near", {}, "venues_latitude_idx"),
    ("venues_within", {}, "venues_latitude_idx"),
]
