-- Throws a shard's hot copy away; everything is then read from the database again.
--
-- KEYS[1]  the shard's prefix
-- KEYS[2]  the hash of spent votes; absent in a cluster, where the hash itself names its process (reserve.lua)
-- ARGV[1]  the position to continue from, as the database has it
-- ARGV[2]  `last` at the time of the decision, or ''; if it has changed since, the script does nothing; '*': any value
-- ARGV[3]  1: continue from a position that nobody has seen. When the log has entries after ARGV[1], an empty entry has it
-- ARGV[4]  the process that the shard is opened on, in a cluster; absent or '': the mark of it stays
-- returns  {the new `last` as a string, 1 if an entry was appended}, or false
--
-- The log itself stays. Its end becomes the barrier: rows of a warm-up must include all of the log from now on.

local prefix = KEYS[1]
local meta_key, log_key = prefix .. 'meta', prefix .. 'log'
local last = redis.call('HGET', meta_key, 'last') or ''
if ARGV[2] ~= '*' and last ~= ARGV[2] then return false end

local newest = math.max(tonumber(ARGV[1]), tonumber(last) or 0)
local tail_at = 0
local tail = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', 1)
if tail[1] then
    local ms, seq = string.match(tail[1][1], '(%d+)-(%d+)')
    tail_at = tonumber(ms) * 1024 + tonumber(seq)
    newest = math.max(newest, tail_at)
end

for _, show in ipairs(redis.call('SMEMBERS', prefix .. 'shows')) do
    redis.call('UNLINK', prefix .. 'show:' .. show, prefix .. 'tally:' .. show, prefix .. 'ballots:' .. show,
               prefix .. 'tickets:' .. show)
end
redis.call('UNLINK', prefix .. 'shows')
-- The votes that users have spent today stay, to be confirmed: the logs of other shards may hold some (docs/adr/0004).
if KEYS[2] then redis.call('HINCRBY', KEYS[2], 'generation', 1) end
local is_appended = 0
if ARGV[3] == '1' then
    newest = newest + 1
    if tail_at > tonumber(ARGV[1]) then
        is_appended = 1
        redis.call('XADD', log_key, string.format('%d-%d', math.floor(newest / 1024), newest % 1024),
                   'p', string.format('%d', newest - 1), 'e', cmsgpack.pack({}))
    end
end
local packed = string.format('%d', newest)
redis.call('HSET', meta_key, 'last', packed, 'barrier', packed)
if (ARGV[4] or '') ~= '' then redis.call('HSET', meta_key, 'server', ARGV[4]) end
return {packed, is_appended}
