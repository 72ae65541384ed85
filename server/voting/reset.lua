-- Throws a shard's hot copy away, so that all of it is read from the database again.
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the position to go on from, as the database has it
-- ARGV[2]  `last` as it was when this was decided, or ''; if it is another by now, nothing is done; '*': whatever it is
-- returns  the new `last` as a string, or false
--
-- The log itself stays. The barrier becomes its end: what is seeded from now on must hold all of it.

local prefix = KEYS[1]
local meta_key, log_key = prefix .. 'meta', prefix .. 'log'
local last = redis.call('HGET', meta_key, 'last') or ''
if ARGV[2] ~= '*' and last ~= ARGV[2] then return false end

local newest = math.max(tonumber(ARGV[1]), tonumber(last) or 0)
local tail = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', 1)
if tail[1] then
    local ms, seq = string.match(tail[1][1], '(%d+)-(%d+)')
    newest = math.max(newest, tonumber(ms) * 1024 + tonumber(seq))
end

for _, show in ipairs(redis.call('SMEMBERS', prefix .. 'shows')) do
    redis.call('UNLINK', prefix .. 'show:' .. show, prefix .. 'tally:' .. show, prefix .. 'ballots:' .. show,
               prefix .. 'tickets:' .. show)
end
redis.call('UNLINK', prefix .. 'shows')
-- What users have spent of their day is only doubted: the logs of other shards may hold some of it (docs/adr/0004).
redis.call('HINCRBY', 'spent', 'generation', 1)
local packed = string.format('%d', newest)
redis.call('HSET', meta_key, 'last', packed, 'barrier', packed)
return packed
