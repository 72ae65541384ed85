-- Reads a show's counts and the position they belong to, in one step: between two commands, a cast could change either.
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the show
-- ARGV[2]  the process that runs this, in a cluster; '' on a single server
-- returns  {last, revision, audience, {song, "up down", …}}; false when the show is cold
--
-- The position is that of the whole log: a commit is announced at the end of its batch, and a later read must not have an
-- earlier position.

local meta = redis.call('HMGET', KEYS[1] .. 'meta', 'last', 'server')
local last = meta[1]
-- A copy that another process left is thrown away when a cast comes (cast.lua).
if ARGV[2] ~= '' and meta[2] ~= ARGV[2] then return false end
local rules = redis.call('HMGET', KEYS[1] .. 'show:' .. ARGV[1], 'r', 'a')
if not last or not rules[1] then return false end
return {last, rules[1], rules[2], redis.call('HGETALL', KEYS[1] .. 'tally:' .. ARGV[1])}
