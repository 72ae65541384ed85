-- Adds a fan's ticket to a warm show; a cold show reads it with the fan's ballot.
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the show
-- ARGV[2]  the user
-- returns  1 when the show is warm

if redis.call('EXISTS', KEYS[1] .. 'show:' .. ARGV[1]) == 0 then return 0 end
redis.call('SADD', KEYS[1] .. 'tickets:' .. ARGV[1], ARGV[2])
return 1
