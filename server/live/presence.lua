-- Adds up the watchers of shows over all nodes. Each node writes its own counts, never the names of connections.
--
-- KEYS[1]  the sorted set of nodes, by the time of their last exchange [ms]; "{this}:node" has the counts of a node
-- ARGV[1]  msgpack: {node, ttl_ms, counts, shows}
--            counts  {show, count, show, count, …} of this node; nil: unchanged since its last exchange
--            shows   {show, …}, the shows to add up
-- returns  msgpack: {now_ms, {count, …}}, the sum for each of `shows`, over all nodes with an exchange within ttl_ms
--
-- A dead node has no further exchange: its counts are added up for ttl_ms more and then expire.

local nodes_key = KEYS[1]
local request = cmsgpack.unpack(ARGV[1])
local node, ttl_ms, counts = request[1], request[2], request[3]
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local prefix = '{' .. nodes_key .. '}:'
local own_key = prefix .. node
if counts then
    redis.call('DEL', own_key)
    for i = 1, #counts, 2 do
        redis.call('HSET', own_key, string.format('%d', counts[i]), string.format('%d', counts[i + 1]))
    end
end
redis.call('PEXPIRE', own_key, ttl_ms)
redis.call('ZADD', nodes_key, now_ms, node)
redis.call('PEXPIRE', nodes_key, ttl_ms)
redis.call('ZREMRANGEBYSCORE', nodes_key, '-inf', string.format('%d', now_ms - ttl_ms))

local asked, sums = {}, {}
for i, show in ipairs(request[4]) do
    asked[i], sums[i] = string.format('%d', show), 0
end
if #asked > 0 then
    for _, name in ipairs(redis.call('ZRANGE', nodes_key, 0, -1)) do
        for i, count in ipairs(redis.call('HMGET', prefix .. name, unpack(asked))) do
            if count then sums[i] = sums[i] + tonumber(count) end
        end
    end
end
return cmsgpack.pack({now_ms, sums})
