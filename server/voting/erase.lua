-- Removes a user from a shard's hot copy while the database erases them (docs/adr/0009).
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack: {user, position, {show, ballot, show, ballot, …}}: the user's ballots that the database has
--          committed up to that position, songs in order; it commits nothing else until this script is done
-- returns  how many shows became cold; -1: this copy is older than the database, so its opening will throw it away
--
-- The user's votes that are only in the log will never be committed. The counts that include them are read again: the
-- show becomes cold.

local prefix = KEYS[1]
local meta_key, log_key = prefix .. 'meta', prefix .. 'log'
local request = cmsgpack.unpack(ARGV[1])
local user, committed_position = string.format('%d', request[1]), request[2]

redis.call('HDEL', 'spent', user)
local last = tonumber(redis.call('HGET', meta_key, 'last') or -1)
if last < committed_position then return -1 end

local committed = {}
for i = 1, #request[3], 2 do
    committed[string.format('%d', request[3][i])] = request[3][i + 1]
end

-- A hot ballot has its songs in the order of the choices.
local function in_order(ballot)
    local songs, letters, parts = {}, {}, {}
    for song, letter in string.gmatch(ballot, '(%d+)(%a)') do
        songs[#songs + 1] = tonumber(song)
        letters[tonumber(song)] = song .. letter
    end
    table.sort(songs)
    for i, song in ipairs(songs) do parts[i] = letters[song] end
    return table.concat(parts)
end

local cold_count = 0
for _, show in ipairs(redis.call('SMEMBERS', prefix .. 'shows')) do
    local ballots_key = prefix .. 'ballots:' .. show
    redis.call('SREM', prefix .. 'tickets:' .. show, user)
    local ballot = redis.call('HGET', ballots_key, user)
    -- Without any ballot of the show, only the log knows the votes that it holds.
    local is_unknown = not ballot and last > committed_position and redis.call('EXISTS', ballots_key) == 0
    if is_unknown or (ballot and in_order(ballot) ~= (committed[show] or '')) then
        redis.call('UNLINK', prefix .. 'show:' .. show, prefix .. 'tally:' .. show, ballots_key,
                   prefix .. 'tickets:' .. show)
        redis.call('SREM', prefix .. 'shows', show)
        cold_count = cold_count + 1
    elseif ballot then
        redis.call('HDEL', ballots_key, user)
    end
end

-- Rows of a warm-up that were read before the erasure may still be on their way, with the newest position there is. An
-- entry without casts (an empty msgpack array) makes a newer position, and becomes the barrier.
local time = redis.call('TIME')
local now = (tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)) * 1024
local position = math.max(last + 1, now)
redis.call('XADD', log_key, string.format('%d-%d', math.floor(position / 1024), position % 1024),
           'p', string.format('%d', last), 'e', '\144')
local packed = string.format('%d', position)
redis.call('HSET', meta_key, 'last', packed, 'barrier', packed)
return cold_count
