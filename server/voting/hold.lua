-- Holds shows while their voting rules change: no cast of them is decided until revise.lua lifts the hold (docs/adr/0028).
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack: {token of the change, how long the hold lasts at most [ms], {show, …}}
-- returns  an instant [ms since 1970]: every cast that was accepted is older, and no cast of these shows is accepted
--          until the hold is lifted
--
-- `holds` has a field for each held show: "token deadline token deadline …", one pair for each change under way.

local holds_key = KEYS[1] .. 'holds'
local change = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

for _, show in ipairs(change[3]) do
    local field = string.format('%d', show)
    local others = redis.call('HGET', holds_key, field) or ''
    redis.call('HSET', holds_key, field, string.format('%s%s %d ', others, change[1], now_ms + change[2]))
end
-- After a step back of this server's clock, the newest entries of the log are ahead of it.
local last = tonumber(redis.call('HGET', KEYS[1] .. 'meta', 'last') or 0)
return math.max(now_ms, math.floor(last / 1024)) + 1
