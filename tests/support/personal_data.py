"""Personal data of a user in every table, with words that appear nowhere else."""

from __future__ import annotations

from tests.support.people import Person
from tests.support.row_factory import RowFactory, Show

LEAVER = 700_000_123_457
# No other test data contains these words.
NAME, BIO, CITY = "Zebulon Quux", "I hum in lifts.", "Xanadu-sur-Mer"
ADDRESS = "zebulon.quux@mail.example"
REVIEW, REPORT, BAN = "The bar was made of cheese.", "This fan sings off key.", "Voted with a metronome."
WORDS = (LEAVER, NAME, BIO, CITY, ADDRESS, REVIEW, REPORT, BAN)


async def fill_every_table(factory: RowFactory, person: Person, moderator: Person) -> Show:
    """Inserts a row of the person and a row of the moderator into every table. Their votes are cast over HTTP."""
    show = await factory.show(7)
    await factory.show(8)
    for choice in ("up", "none", "down"):
        await person.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, choice], [show.songs[1], "up"]]})
    await moderator.ok("POST", "/api/shows/7/votes", {"votes": [[show.songs[2], "up"]]})
    await factory.sql.execute(
        f"""
        insert into user_profiles (user_id, display_name, bio, city, country, is_public)
        values ({person.id}, '{NAME}', '{BIO}', '{CITY}', 'FR', true);
        insert into show_accuracy (show_id, offered, predicted, hits, played) values (7, 3, 2, 1, 2);
        insert into voter_accuracy (user_id, show_id, predicted, hits, played)
        values ({person.id}, 7, 1, 1, 2), ({moderator.id}, 7, 1, 0, 2);
        insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)
        values (7, 9, '[{{"kind": "agent", "weight": 4.5, "words": "One program."}}]', 2, now(), now());
        insert into vote_group_members (show_id, user_id, group_id) values (7, {person.id}, 1), (7, {moderator.id}, 1);
        insert into user_follows_artists values ({person.id}, 1);
        insert into calendar_feeds (user_id) values ({person.id}), ({moderator.id});
        insert into cast_orders values ({person.id}, 7, 6);
        insert into exports (user_id, document, asked_at) values
        ({person.id}, '{NAME}', now() - interval '2 days'), ({moderator.id}, 'Mo', now() - interval '2 days');
        insert into user_show_attendance values ({person.id}, 7), ({person.id}, 8);
        insert into venue_reviews (venue_id, user_id, rating, body, status) values (1, {person.id}, 2, '{REVIEW}', 'approved');
        insert into user_profiles (user_id, display_name, is_public) values ({moderator.id}, 'Mo', true);
        insert into reports (reporter_id, profile_id, reason) values ({person.id}, {moderator.id}, '{REPORT}');
        insert into reports (reporter_id, profile_id, reason) values ({moderator.id}, {person.id}, '{REPORT}');
        insert into content_moderation (review_id, status, decided_at, decided_by, note)
        select id, 'approved', now(), {moderator.id}, '{REVIEW} Fine.' from venue_reviews;
        insert into content_moderation (profile_id, reasons) values ({person.id}, '{{link}}');
        insert into user_bans (user_id, kind, reason, banned_by) values ({person.id}, 'write', '{BAN}', {moderator.id});
        insert into user_bans (user_id, kind, reason, banned_by, lifted_by)
        values ({moderator.id}, 'write', 'a mistake', {person.id}, {person.id});
        insert into moderation_log (moderator_id, action, subject, detail) values
        ({moderator.id}, 'text.approve', 'review:1', '{{"note": "{REVIEW}"}}'),
        ({moderator.id}, 'text.approve', 'report:1', '{{"note": "{REPORT}"}}'),
        ({moderator.id}, 'text.approve', 'profile:{person.id}', '{{"note": "{NAME}"}}'),
        ({moderator.id}, 'user.ban', 'user:{person.id}', '{{"reason": "{BAN}"}}'),
        ({person.id}, 'user.ban', 'user:{moderator.id}', '{{"reason": "a mistake"}}');
        insert into audit_log (actor_id, action, subject, detail) values
        ({moderator.id}, 'user.ban', 'user:{person.id}', '{{"reason": "{BAN}"}}'),
        ({person.id}, 'user.role', 'user:{moderator.id}', '{{"to": "moderator"}}');
        insert into email_preferences (user_id, address, confirmed_at) values ({person.id}, '{ADDRESS}', now());
        insert into email_queue (user_id, kind, about) values ({person.id}, 'show_announced', 'show:7');
        insert into email_log (queue_id, user_id, kind, status, detail)
        values (1, {person.id}, 'show_announced', 'failed', '550 no {ADDRESS}');
        insert into webpush_devices (user_id, endpoint, public_key, auth_secret, kinds, time_zone)
        select u, 'https://push.example/' || u, sha512('x') || '\\x00', substr(sha256('x'), 1, 16), '{{song_on}}', 'UTC'
          from unnest('{{{person.id}, {moderator.id}}}'::bigint[]) u;
        insert into webpush_notices (user_id, kind, show_id, song, made_at, expires_at)
        values ({person.id}, 'song_on', 7, '{NAME}', now(), now()), ({moderator.id}, 'song_on', 7, '', now(), now());
        insert into webpush_deliveries (notice_id, device_id, not_before)
        select n.id, d.id, now() + interval '1 day' from webpush_notices n join webpush_devices d on d.user_id = n.user_id;
        insert into api_keys (name, key_hash, role, user_id) values ('{NAME}', sha256('k'), 'user', {person.id});
        insert into ticket_codes (show_id, code_hash, user_id, redeemed_at)
        values (7, sha256('a'), {person.id}, now()), (7, sha256('b'), {moderator.id}, now());
        insert into song_suggestions (show_id, user_id, title) values (7, {person.id}, '{REVIEW}'), (7, {moderator.id}, 'x');
        insert into sessions (user_id, kind, device, expires_at)
        values ({person.id}, 'fan', '{NAME}', now() + interval '1 day'), ({moderator.id}, 'fan', '', now() + interval '1 day');
        insert into removed_songs (id, show_id, setlist_id, song_id, is_tape, note, vote_count)
        select 1000000 + id, show_id, setlist_id, song_id, false, '', 2 from setlist_songs where id = {show.first};
        insert into removed_votes (setlist_song_id, user_id, choice, cast_at)
        select 1000000 + {show.first}, u, 'up', now() from unnest('{{{person.id}, {moderator.id}}}'::bigint[]) u;
        insert into merges (kind, survivor_id, duplicate_id, duplicate, made_by) values ('venue', 1, 99, '{{}}', {moderator.id});
        insert into merge_rows (merge_id, relation, row_id, user_id, was)
        values (1, 'review_gone', 99, {person.id}, '{{"body": "{REVIEW}"}}'), (1, 'follow', 99, {moderator.id}, '{{}}');
        insert into merge_folds (merge_id, show_id, gone_id, kept_id, gone, history)
        values (1, 7, 2000000, {show.first}, '{{}}', '{{}}');
        insert into merge_votes (fold_id, user_id, choice, cast_at)
        select 1, u, 'up', now() from unnest('{{{person.id}, {moderator.id}}}'::bigint[]) u;
        insert into picks (show_id, user_id, song_ids, picked_at)
        values (7, {person.id}, '{{1}}', now()), (7, {moderator.id}, '{{1}}', now());
        insert into standings values ('show', 7, {person.id}, 9, 1, 1, 1), ('show', 7, {moderator.id}, 9, 1, 1, 2);
        insert into ledger_secrets values
        ({person.id}, sha256('p'), '{{7}}', array[substr(sha256('p'), 1, 16)]),
        ({moderator.id}, sha256('m'), '{{7}}', array[substr(sha256('m'), 1, 16)]) on conflict do nothing;
        insert into ledger_notes (kind, show_id, user_id, at) values ('set_aside', 999, {person.id}, now()), ('set_aside', 999, {moderator.id}, now());
        insert into crews (code, name) values ('0123456789abcdef', '{NAME}'), ('0123456789abcdee', 'Mo');
        insert into crew_members (crew_id, user_id) values (1, {person.id}), (2, {moderator.id});
        insert into user_identities (issuer, subject, user_id) values ('i', '{NAME}', {person.id}), ('i', 'Mo', {moderator.id});
        insert into user_follows_artists values ({moderator.id}, 1);
        insert into user_show_attendance values ({moderator.id}, 7);
        insert into venue_reviews (venue_id, user_id, rating, status) values (1, {moderator.id}, 5, 'approved');
        insert into content_moderation (profile_id) values ({moderator.id});
        insert into email_preferences (user_id, address) values ({moderator.id}, 'mo@mail.example');
        insert into email_queue (user_id, kind, about) values ({moderator.id}, 'show_announced', 'show:7');
        insert into email_log (queue_id, user_id, kind, status) values (2, {moderator.id}, 'show_announced', 'sent');
        insert into api_keys (name, key_hash, role, user_id) values ('Mo', sha256('m'), 'user', {moderator.id});
        insert into database_operations (operation, status, started_by, finished_at)
        values ('vacuum', 'succeeded', {person.id}, now());
        """
    )
    return show
