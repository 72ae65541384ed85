-- Updates the rules and songs of warm shows after a change in the database, and lifts the hold of that change; a cold show
-- stays cold.
--
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack: {token of the change that ends, or '', {change, …}}, each one of
--            {show, opens_ms, closes_ms, is_locked 0|1, budget (0: none), revision, {song, …}, requires_ticket 0|1,
--             audience of its counts, {played song, …}, picks_close_ms}   opens_ms 0: the show is deleted
--            {show}      its rules have not changed
-- returns  how many shows it wrote
--
-- Counts never change here: only the log moves the counts of songs that stay, new songs begin at 0, and removed songs
-- take no more votes (the database has deleted their votes too).

local prefix = KEYS[1]
local meta_key, holds_key, revisions_key = prefix .. 'meta', prefix .. 'holds', prefix .. 'revisions'
local request = cmsgpack.unpack(ARGV[1])
local token, changes = request[1], request[2]
local is_song_gone = false

-- Takes songs out of all ballots, so that they use up no budget any more. A thousand ballots take about a millisecond.
local function take_out(ballots_key, songs)
    local cursor = '0'
    repeat
        local page = redis.call('HSCAN', ballots_key, cursor, 'COUNT', 1000)
        cursor = page[1]
        for i = 1, #page[2], 2 do
            local ballot = string.gsub(page[2][i + 1], '(%d+)%a', function(song) return songs[song] and '' or nil end)
            if ballot ~= page[2][i + 1] then redis.call('HSET', ballots_key, page[2][i], ballot) end
        end
    until cursor == '0'
end

local function revise(change)
    local show = string.format('%d', change[1])
    local show_key, tally_key = prefix .. 'show:' .. show, prefix .. 'tally:' .. show
    local revision = tonumber(redis.call('HGET', show_key, 'r') or -1)
    if change[2] == 0 and revision >= 0 then
        redis.call('UNLINK', show_key, tally_key, prefix .. 'ballots:' .. show, prefix .. 'tickets:' .. show)
        redis.call('SREM', prefix .. 'shows', show)
        return 1
    end
    if revision < 0 then
        -- Rows that were read before this change may be on their way, and must not bring the old rules. They arrive far
        -- sooner than in a minute.
        if tonumber(redis.call('HGET', revisions_key, show) or 0) < change[6] then
            redis.call('HSET', revisions_key, show, string.format('%d', change[6]))
            redis.call('EXPIRE', revisions_key, 60)
        end
        return 0
    end
    if revision >= change[6] then return 0 end

    local played = {''}
    for _, song in ipairs(change[10]) do played[#played + 1] = string.format('%d', song) end
    redis.call('HSET', show_key, 'o', change[2], 'c', change[3], 'l', change[4], 'b', change[5],
               'r', string.format('%d', change[6]), 't', change[8], 'a', change[9], 'k', change[11],
               'p', #played > 1 and table.concat(played, ' ') .. ' ' or '')
    local stays, gone = {}, {}
    for _, song in ipairs(change[7]) do
        local field = string.format('%d', song)
        stays[field] = true
        redis.call('HSETNX', tally_key, field, '0 0')
    end
    for _, field in ipairs(redis.call('HKEYS', tally_key)) do
        if not stays[field] then
            if redis.call('HGET', tally_key, field) ~= '0 0' then gone[field] = true end
            redis.call('HDEL', tally_key, field)
            is_song_gone = true
        end
    end
    if next(gone) then take_out(prefix .. 'ballots:' .. show, gone) end
    return 1
end

local function lift(show)
    local holds = redis.call('HGET', holds_key, show)
    if not holds then return end
    local others = {}
    for other, deadline in string.gmatch(holds, '(%S+) (%d+)') do
        if other ~= token then others[#others + 1] = other .. ' ' .. deadline .. ' ' end
    end
    if #others > 0 then
        redis.call('HSET', holds_key, show, table.concat(others))
    else
        redis.call('HDEL', holds_key, show)
    end
end

local written_count = 0
for _, change in ipairs(changes) do
    if #change > 1 then written_count = written_count + revise(change) end
    if token ~= '' then lift(string.format('%d', change[1])) end
end

if is_song_gone then
    -- Ballots that were read before the removal may be on their way, and still name the songs. An entry without casts (an
    -- empty msgpack array) makes a newer position, and becomes the barrier.
    local last = tonumber(redis.call('HGET', meta_key, 'last') or 0)
    local time = redis.call('TIME')
    local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    local position = math.max(last + 1, now_ms * 1024)
    redis.call('XADD', prefix .. 'log', string.format('%d-%d', math.floor(position / 1024), position % 1024),
               'p', string.format('%d', last), 'e', '\144')
    local packed = string.format('%d', position)
    redis.call('HSET', meta_key, 'last', packed, 'barrier', packed)
end
return written_count
