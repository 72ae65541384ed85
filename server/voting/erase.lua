-- Removes users from a shard's hot copy while the database erases them (docs/adr/0009).
--
-- KEYS[1]  the shard's prefix
-- KEYS[2]  the hash of spent votes
-- ARGV[1]  msgpack: {position, {user, …}, {{show, ballot, show, ballot, …}, …}}: for each user, in the same order, the
--          ballots that the database has committed up to that position, songs in order; it commits nothing else until
--          this script is done
-- returns  the shows whose counts were corrected, then 0, then the shows that became cold; empty: this copy is older than
--          the database, so its opening will throw it away
--
-- The users' votes that are only in the log will never be committed, so they are taken out of the counts: the committed
-- ones, which pass to nobodies, stay. Where a hot ballot is not known, nobody can say which counts hold its votes: the show
-- becomes cold and is read again.

local prefix = KEYS[1]
local meta_key, log_key = prefix .. 'meta', prefix .. 'log'
local request = cmsgpack.unpack(ARGV[1])
local committed_position, users, committed = request[1], {}, {}
for i, user in ipairs(request[2]) do
    users[i] = string.format('%d', user)
    committed[i] = {}
    local ballots = request[3][i]
    for j = 1, #ballots, 2 do committed[i][string.format('%d', ballots[j])] = ballots[j + 1] end
end

redis.call('HDEL', KEYS[2], unpack(users))
local last = tonumber(redis.call('HGET', meta_key, 'last') or -1)
if last < committed_position then return {} end

-- Adds a ballot's votes to the counts of a show, or takes them out. Songs that were removed are not counted any more.
local function count(tally_key, ballot, step)
    for song, letter in string.gmatch(ballot, '(%d+)(%a)') do
        local up, down = string.match(redis.call('HGET', tally_key, song) or '', '^(%d+) (%d+)$')
        if up then
            up, down = tonumber(up), tonumber(down)
            if letter == 'u' then up = up + step else down = down + step end
            redis.call('HSET', tally_key, song, string.format('%d %d', up, down))
        end
    end
end

local corrected, cold = {}, {}
for _, show in ipairs(redis.call('SMEMBERS', prefix .. 'shows')) do
    local ballots_key, tally_key = prefix .. 'ballots:' .. show, prefix .. 'tally:' .. show
    redis.call('SREM', prefix .. 'tickets:' .. show, unpack(users))
    -- Without any ballot of the show, only the log knows the votes that it holds.
    if last > committed_position and redis.call('EXISTS', ballots_key) == 0 then
        redis.call('UNLINK', prefix .. 'show:' .. show, tally_key, prefix .. 'tickets:' .. show)
        redis.call('SREM', prefix .. 'shows', show)
        cold[#cold + 1] = tonumber(show)
    else
        local is_corrected = false
        for i, ballot in ipairs(redis.call('HMGET', ballots_key, unpack(users))) do
            local kept = committed[i][show] or ''
            -- No count holds the votes of a ballot that is set aside, "-101u".
            if ballot and ballot ~= kept and string.byte(ballot) ~= 45 then
                count(tally_key, kept, 1)
                count(tally_key, ballot, -1)
                is_corrected = true
            end
        end
        if is_corrected then corrected[#corrected + 1] = tonumber(show) end
        redis.call('HDEL', ballots_key, unpack(users))
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
corrected[#corrected + 1] = 0
for _, show in ipairs(cold) do corrected[#corrected + 1] = show end
return corrected
