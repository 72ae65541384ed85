-- Removes the hot copy of shows that nobody votes on; the next cast warms them up again. Also removes the spent votes of users
-- who voted neither today nor yesterday (docs/adr/0031).
--
-- KEYS[1]  the shard's prefix
-- KEYS[2]  the hash of spent votes
-- ARGV[1]  a position that the database has committed
-- ARGV[2]  a show without casts for so long is idle [ms]
-- ARGV[3]  the same for a show whose voting is over
-- returns  how many shows became cold
--
-- A show is removed only when its last cast is committed. `u` is the time of that cast, or up to a minute before it.

local prefix, spent_key = KEYS[1], KEYS[2]
local meta_key = prefix .. 'meta'
local committed = tonumber(ARGV[1])
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local meta = redis.call('HMGET', meta_key, 'last', 'barrier')
if not meta[1] then return 0 end
local is_drained = tonumber(meta[1]) <= committed

local cold_count = 0
for _, show in ipairs(redis.call('SMEMBERS', prefix .. 'shows')) do
    local show_key = prefix .. 'show:' .. show
    local rules = redis.call('HMGET', show_key, 'c', 'u')
    local used_ms = tonumber(rules[2] or 0)
    local idle_ms = tonumber(rules[1] or 0) <= now_ms and tonumber(ARGV[3]) or tonumber(ARGV[2])
    if not rules[2] then
        -- An older version of the server warmed it up.
        redis.call('HSET', show_key, 'u', now_ms)
    elseif now_ms - used_ms >= idle_ms and (is_drained or committed >= (used_ms + 60000) * 1024) then
        redis.call('UNLINK', show_key, prefix .. 'tally:' .. show, prefix .. 'ballots:' .. show, prefix .. 'tickets:' .. show)
        redis.call('SREM', prefix .. 'shows', show)
        cold_count = cold_count + 1
    end
end
-- Each call looks at a part of the users. A later cast reads the row of the user; only a number of today matters, and it is kept.
local yesterday = math.floor(now_ms / 86400000) - 1
local page = redis.call('HSCAN', spent_key, redis.call('HGET', spent_key, 'cursor') or '0', 'COUNT', 1000)
local gone = {}
for i = 1, #page[2], 2 do
    local day = tonumber(string.match(page[2][i + 1], '^%d+ (%d+) %d+$'))
    if day and day < yesterday then gone[#gone + 1] = page[2][i] end
end
if #gone > 0 then redis.call('HDEL', spent_key, unpack(gone)) end
if page[1] ~= '0' then
    redis.call('HSET', spent_key, 'cursor', page[1])
else
    redis.call('HDEL', spent_key, 'cursor')
end

if cold_count > 0 then
    -- Rows of a warm-up that were read before the last cast may still be on their way.
    redis.call('HSET', meta_key, 'barrier', string.format('%d', math.max(tonumber(meta[2]), committed)))
end
return cold_count
