-- Updates a warm show's rules and songs after a change in the database; a cold show stays cold.
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack: {show, opens_ms, closes_ms, is_locked 0|1, budget (0: none), revision, {song, …},
--            requires_ticket 0|1, audience of its counts}
-- returns  1 when it wrote something
--
-- Counts never change here: only the log moves the counts of songs that stay, new songs begin at 0, and removed songs
-- take no more votes (the database has deleted their votes too).

local prefix = KEYS[1]
local change = cmsgpack.unpack(ARGV[1])
local show = string.format('%d', change[1])
local show_key, tally_key = prefix .. 'show:' .. show, prefix .. 'tally:' .. show
local revision = tonumber(redis.call('HGET', show_key, 'r') or -1)
if revision < 0 then
    -- Rows that were read before this change may be on their way, and must not bring the old rules. They arrive far
    -- sooner than in a minute.
    local revisions_key = prefix .. 'revisions'
    if tonumber(redis.call('HGET', revisions_key, show) or 0) < change[6] then
        redis.call('HSET', revisions_key, show, string.format('%d', change[6]))
        redis.call('EXPIRE', revisions_key, 60)
    end
    return 0
end
if revision >= change[6] then return 0 end

redis.call('HSET', show_key, 'o', change[2], 'c', change[3], 'l', change[4], 'b', change[5],
           'r', string.format('%d', change[6]), 't', change[8], 'a', change[9])
local stays = {}
for _, song in ipairs(change[7]) do
    local field = string.format('%d', song)
    stays[field] = true
    redis.call('HSETNX', tally_key, field, '0 0')
end
local is_song_gone = false
for _, field in ipairs(redis.call('HKEYS', tally_key)) do
    if not stays[field] then
        redis.call('HDEL', tally_key, field)
        is_song_gone = true
    end
end
if is_song_gone then
    -- Ballots still name the removed songs, and would count them against the budget. They are read again when the
    -- database has caught up with the log.
    redis.call('UNLINK', prefix .. 'ballots:' .. show)
    redis.call('HSET', prefix .. 'meta', 'barrier', redis.call('HGET', prefix .. 'meta', 'last'))
end
return 1
