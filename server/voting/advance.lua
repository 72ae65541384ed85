-- Moves a log on by an empty entry, so that counts which changed without a vote get a position of their own.
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the position that the counts must not have
-- returns  1 when it moved the log; 0: the log is past this position already
--
-- Songs come and go without an entry in the log. The first node that finds it moves the log, and the others read again.

local meta_key = KEYS[1] .. 'meta'
local last = redis.call('HGET', meta_key, 'last')
if last ~= ARGV[1] then return 0 end
local position = tonumber(last) + 1
redis.call('XADD', KEYS[1] .. 'log', string.format('%d-%d', math.floor(position / 1024), position % 1024),
           'p', last, 'e', cmsgpack.pack({}))
redis.call('HSET', meta_key, 'last', string.format('%d', position))
return 1
