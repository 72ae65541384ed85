"""What the queries are explained with in tests/integration/test_plans.py, on the database of crowded.sql.

A new query needs nothing here while EXAMPLES knows the names (or names and types) of its parameters, and ROLES its file.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.store.database import REQUEST_ROLE, WRITER_ROLE

NOW = dt.datetime.now(dt.UTC)
TODAY = NOW.date()
DAY = dt.timedelta(days=1)
OWNER = None

# What a parameter is given: by its name, or by its name and type where that name has several.
EXAMPLES: dict[str, Any] = {
    "about": "show:7",
    "action": "review.approve",
    "actor_id": 1,
    "address": "fan@example.org",
    "address_hash": bytes(32),
    "after_at": NOW - 9 * DAY,
    "after_day": TODAY - DAY,
    "after_group": -1,
    "after_id": 15_000,
    "after_kind": 0,
    "after_km": -1.0,
    "after_place": dt.timedelta(),
    "after_priority": "normal",
    "after_slug": "artist-2",
    "after_user_id": 101,
    "artist_id": 7,
    "artist_ids": [7, 8],
    "artists": ["artist-7"],
    "at_least": 0,
    "banned": None,
    "banned_by": 1,
    "bio": "",
    "body": "Good",
    "cast_at": [NOW],
    "cast_ms": [1_700_000_000_000],
    "choices": ["up"],
    "city": "London",
    "closeness": None,
    "count": 20,
    "country": "GB",
    "days": 30,
    "decided_by": 1,
    "detail": "{}",
    "digest_max": 50,
    "display_name": "Fan",
    "done": 1,
    "empty": [1, 2],
    "entries": ["1,2"],
    "error": "",
    "expires_at": None,
    "expires_in_days": 30,
    "first:date": TODAY,
    "first:timestamptz": NOW - DAY,
    "first_group": 0,
    "following": NOW,
    "frequency": "daily",
    "held": [1, 2],
    "held_until": NOW,
    "id": 7,
    "ids": [7, 8],
    "instant": NOW,
    "is_public": True,
    "is_up": [True],
    "job_id": 7,
    "joined_at": NOW,
    "key_hash": bytes(32),
    "kind": "vote",
    "kinds": ["vote"],
    "last:date": TODAY + 3 * DAY,
    "last:timestamptz": NOW,
    "last_group": 3,
    "key_hashes": [b"1" * 32],
    "latitude": 40.7,
    "lease_class": 1,
    "letters_max": 50,
    "letters_min": 3,
    "lifted_by": 1,
    "like": None,
    "lock_timeout": "1s",
    "longitude": -74.0,
    "minute_max": 100,
    "minutes": 10,
    "moderator_id": 1,
    "months": 3,
    "name": "Fan",
    "new_positions": [2],
    "node": 1,
    "node_class": 1,
    "not_before": NOW,
    "note": "",
    "old_positions": [1],
    "operation": "vacuum",
    "operation_class": 1,
    "options": "{}",
    "pid": 1,
    "positions": [19_000, 19_000],
    "priority": "normal",
    "profile": 102,
    "q": "tour",
    "radius_km": 50.0,
    "rating": 5,
    "reason": "Rude",
    "reasons": ["link"],
    "references": ["artist-7", "Artist 8"],
    "reporter_id": 101,
    "result": "{}",
    "review": 7,
    "role": "user",
    "rows": "[{}]",
    "rows_max": 1_000,
    "shard": 1,
    "shard_count": 16,
    "shards": [1, 2],
    "show_id": 7,
    "show_ids": [7, 8],
    "similar": None,
    "since": NOW - DAY,
    "slug": None,
    "slugs": ["show-7", "show-8"],
    "song_id": 7,
    "song_ids": [7],
    "spent": [1],
    "spent_days": [20_000],
    "spent_user_ids": [101],
    "staff_ids": [101],
    "stage": "artists",
    "stale_s": 90.0,
    "status": "approved",
    "subject": "review:7",
    "table_name": None,
    "titles": ["A", "B"],
    "total": 1,
    "ttl_s": 3600.0,
    "type": "predicted",
    "user_id": 101,
    "user_ids": [101, 106],
    "venue_id": 7,
    "venue_ids": None,
    "wanted": 102,
    "words:text": None,
    "words:text[]": ["tourr"],
}

# What single queries are given instead, once or in several ways.
_EVERY_SHOW: dict[str, Any] = {"artist_id": None, "first": None, "last": None}
_MISSPELT: dict[str, Any] = {"like": "metalica", "similar": ["metalica"], "closeness": 0.6}
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "catalog/queries.list_artists": [{}, {"words": "abc"}, _MISSPELT],
    "catalog/queries.list_shows": [
        _EVERY_SHOW,
        _EVERY_SHOW | {"artist_id": 7},
        _EVERY_SHOW | {"venue_ids": [7, 8]},
        _EVERY_SHOW | {"first": TODAY, "last": TODAY},
        _EVERY_SHOW | {"words": "abc"},
        _EVERY_SHOW | _MISSPELT,
    ],
    "catalog/queries.list_venues": [{}, {"words": "abc"}, _MISSPELT],
    "catalog/queries.list_venues_near": [{}, {"words": "abc"}, _MISSPELT],
    "catalog/search.best_artists": [{"q": "abc", "words": "abc"}, {"q": "metalica"} | _MISSPELT],
    "catalog/search.best_songs": [{"words": "abc"}, _MISSPELT],
    "catalog/search.best_venues": [{"q": "abc", "words": "abc"}, {"q": "metalica"} | _MISSPELT],
    "catalog/search.choose_like": [{"words": ["metalica", "abc"], "kinds": ["artists", "songs", "venues", "shows"]}],
    "catalog/search.look_for": [{"q": "abc", "kinds": ["artists", "songs", "venues", "shows"]}],
    "catalog/search.look_for_similar": [
        {"like": "metalica", "words": ["metalica"], "kinds": ["artists", "songs", "venues", "shows"]}
    ],
    "people/moderation.list_queue": [{}, {"after_priority": None}],
    "sync/queries.finish_job": [{"status": "succeeded"}],
}

# Who runs a query: the most particular entry that fits. STAFF runs as requests do, for an administrator.
STAFF = "staff"
ROLES: dict[str, str | None] = {
    "admin/": OWNER,
    "catalog/": OWNER,
    "catalog/queries": REQUEST_ROLE,
    "catalog/queries.advance_shows": WRITER_ROLE,
    "catalog/search": REQUEST_ROLE,
    "insight/": REQUEST_ROLE,
    "insight/queries.update_trending_scores": OWNER,
    "people/": REQUEST_ROLE,
    "people/accounts": STAFF,
    "people/bans": STAFF,
    "people/keys": STAFF,
    "people/mail": OWNER,
    "people/moderation": STAFF,
    "people/queries": OWNER,
    "people/standing": WRITER_ROLE,
    "people/standing.keys_now": REQUEST_ROLE,
    "people/queries.sign_up": REQUEST_ROLE,
    "people/queries.keep_account": REQUEST_ROLE,
    "sync/": OWNER,
    "voting/": WRITER_ROLE,
    "voting/reconcile": OWNER,
}

# Queries that read large tables from end to end, and why they may: {query: {table: reason}}.
_CHECK = "compares every count with its rows"
READS_ALL: dict[str, dict[str, str]] = {
    "admin/operations.miscounted_shows": dict.fromkeys(("setlist_songs", "setlists", "shows", "votes"), _CHECK),
    "admin/operations.violations": dict.fromkeys(
        (
            "artist_stats", "setlist_songs", "setlists", "show_artists", "shows", "user_follows_artists",
            "user_show_attendance", "venue_reviews", "venues", "vote_analytics", "vote_rollups", "votes",
        ),
        _CHECK,
    ),
    "admin/retention.delete_operations": {"database_operations": "a few rows a day, read once a day"},
    "admin/retention.delete_service_health": {"service_health": "a few rows an hour, read once a day"},
    "admin/retention.orphaned_users": dict.fromkeys(
        ("user_vote_limits", "users", "vote_analytics"), "looks for what nothing refers to; the history once a run"
    ),
    "catalog/development.catalogue_share": {"artists": "once, before a catalogue is seeded"},
    "catalog/seeding.demo_state": {"shows": "once, before a demo starts"},
    "people/privacy.vote_history": {"vote_analytics": "the history has no index by fan: it is written far more often"},
    "voting/reconcile.fetch_miscounts": dict.fromkeys(
        (
            "artist_stats", "setlist_songs", "setlists", "shows", "user_follows_artists", "user_show_attendance",
            "venue_reviews", "venues", "votes",
        ),
        _CHECK,
    ),
}  # fmt: skip

# What functions and triggers do: these are run, and all statements inside are looked at.
_VOTES = """
select commit_votes('{7}', '{20000}', '{20001}', '{"1,2"}', array_agg(e.id order by e.id), array_agg(e.position + 1),
                    array_agg(e.show_id), array_agg((case e.position when 1 then 'up' when 2 then 'down' end)::vote_choice),
                    array_agg(1800000000000 + e.id), '{2}', '{20000}', '{5}')
  from setlist_songs e where e.show_id = 7"""
CALLS: dict[str, tuple[str | None, str]] = {
    "commit_votes": (WRITER_ROLE, _VOTES),
    "get_vote_stats": (REQUEST_ROLE, "select * from get_vote_stats(7)"),
    "get_trending_shows": (REQUEST_ROLE, "select * from get_trending_shows(20)"),
    "get_trending_artists": (REQUEST_ROLE, "select * from get_trending_artists(20)"),
    "update_trending_scores": (OWNER, "select update_trending_scores()"),
    "refresh_platform_stats": (OWNER, "select refresh_platform_stats(current_date)"),
    "erase_user": (OWNER, "select erase_user(101)"),
    "sign_up": (REQUEST_ROLE, "select sign_up()"),
    "keep_account": (REQUEST_ROLE, "select keep_account(interval '200 days')"),
    "leave_queue": (REQUEST_ROLE, "select leave_queue(101, null)"),
    "find_people": (STAFF, "select find_people('fan abc')"),
    "use_api_key": (REQUEST_ROLE, "select use_api_key(sha256('key7'))"),
    "follow": (REQUEST_ROLE, "insert into user_follows_artists (user_id, artist_id) values (101, 3999)"),
    "unfollow": (REQUEST_ROLE, "delete from user_follows_artists where user_id = 101"),
    "attend": (REQUEST_ROLE, "insert into user_show_attendance (user_id, show_id) values (101, 19999)"),
    "stay_away": (REQUEST_ROLE, "delete from user_show_attendance where user_id = 101"),
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
    "delete_show": (OWNER, "delete from shows where id = 17031"),
    "delete_job": (OWNER, "delete from sync_jobs where id = 7"),
}

_REFRESH = "refreshes everything, by the clock"
READS_ALL_INSIDE: dict[str, dict[str, str]] = {
    "erase_user": dict.fromkeys(("audit_log", "vote_analytics"), "logs without an index by fan; an erasure is rare"),
    "refresh_platform_stats": {"users": "counts all users there were on a day"},
    "update_trending_scores": dict.fromkeys(("artist_stats", "show_trending", "shows", "vote_rollups"), _REFRESH),
}

# The index by which a list finds its rows, for each filter that is rare: more than "not all are read".
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
    ("list_shows", _MISSPELT, "shows_similar_idx"),
    ("list_artists", {}, "artists_slug_key"),
    ("list_artists", {"words": "abc"}, "artists_search_idx"),
    ("list_artists", _MISSPELT, "artists_similar_idx"),
    ("list_venues", {}, "venues_slug_key"),
    ("list_venues", {"words": "abc"}, "venues_search_idx"),
    ("list_venues", _MISSPELT, "venues_similar_idx"),
    ("list_venues_near", {}, "venues_point_idx"),
    ("venues_within", {}, "venues_point_idx"),
]
