-- Decides a batch of casts of one shard, atomically and on this server's clock.
--
-- KEYS[1]  the shard's prefix, "{7}:"; all other keys begin with it, so they are in the same slot
-- ARGV[1]  msgpack: {votes_per_day_max, show rows, ballot rows, casts}; the rows come from a warm-up; in a cluster also
--          grants (docs/adr/0040)
--            show row     {show, position, opens_ms, closes_ms, is_locked 0|1, budget (0: none), revision,
--                          {song, up, down, song, up, down, …}, requires_ticket 0|1,
--                          audience of its counts (protocol/embargo.py), played songs " 101 102 ", picks_close_ms,
--                          is_new 0|1: no cast of it was ever committed}
--            ballot row   {show, user, position, ballot, day, spent, has_ticket 0|1}
--            cast         {show, user, song, choice, song, choice, …}   choice 0 none, 1 up, 2 down;
--                         without a song it only asks for the ballot;
--                         a last pair {-order, 0}: the order of the cast among the casts of the fan in the show
--            mark         {0, kind, user, show or artist, 0|1}: logged unchanged, answered {0, '', -1}
--            pick         {0, 4, user, show, opener, closer, encore, song, …}: logged unchanged until the show begins, answered {0, '', -1}
--            decision     {0, 3, group, show, 1}, about a group of votes: as a mark, and the show becomes cold
--            grant        {user, day, spent, limit}: what reserve.lua lets the casts of a fan spend here
-- ARGV[2]  in a cluster, the process that runs this; a shard that another process opened is cold
-- returns  msgpack: {position or -1 (the shard is cold), now_ms, {answer, …}}, one answer a cast; in a cluster also the votes
--          spent after it, one number a grant:
--            {0, ballot, votes left in this show or -1}    accepted; to a cast without songs, also the ballot's order or 0
--            {1} the show is cold  {2} the ballot is cold  {3} closed  {4} locked
--            {5, song} not a song of the show  {6, budget} too many votes in this show  {7} the day's votes are spent
--            {8} the show requires a ticket, and Valkey knows no ticket of this fan
--            {9} the show's rules are changing (hold.lua)  {10, song} the song has been played
--            {11} the fan's ballot has a later cast, and this one would change it
--            {12} the show has begun, or is cancelled: its picks are locked
--
-- A ballot is written "101u102d", and "7:101u102d" once a cast had an order: the greatest one so far. "-" before it means that
-- it is set aside: it changes, but no count does (docs/adr/0033). Cold means that Valkey does not hold it: the node warms it up
-- from the database and asks again. Rows read at a position before the barrier are
-- ignored, because they lack the log's votes after that position. Of a show that was new when it was warmed up, Valkey holds
-- every ballot that there is: the others are empty, and not cold.

local call, format, find, match, sub = redis.call, string.format, string.find, string.match, string.sub
local prefix = KEYS[1]
local meta_key, log_key, spent_key = prefix .. 'meta', prefix .. 'log', 'spent'
local request = cmsgpack.unpack(ARGV[1])
local day_max, server = request[1], ARGV[2]
local ballot_rows, casts = request[3], request[4]
local grants = nil  -- user -> grant
if server then
    grants = {}
    for _, grant in ipairs(request[5]) do grants[format('%d', grant[1])] = grant end
end

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local today = math.floor(now_ms / 86400000)

local meta = call('HMGET', meta_key, 'last', 'barrier', 'server')
if not meta[1] or server and server ~= meta[3] then
    return cmsgpack.pack({-1, now_ms, {}, server and {} or nil})
end
local last, barrier = tonumber(meta[1]), tonumber(meta[2])
-- The instant of this batch: that of the log entry, which never goes back, not even when the clock does.
local last_ms, seq = math.floor(last / 1024), last % 1024
local cast_ms = math.max(now_ms, last_ms)
seq = cast_ms == last_ms and seq + 1 or 0
if seq > 1023 then
    cast_ms, seq = cast_ms + 1, 0
end

-- Hashes are read and written with many fields a command: one command a field takes three times as long.
local FIELDS_MAX = 1000  -- even

local function read_fields(key, fields)
    local values = {}
    for first = 1, #fields, FIELDS_MAX do
        local part = call('HMGET', key, unpack(fields, first, math.min(first + FIELDS_MAX - 1, #fields)))
        for i, value in ipairs(part) do values[fields[first + i - 1]] = value end
    end
    return values
end

-- fields: {field, value, field, value, …}
local function write_fields(key, fields)
    for first = 1, #fields, FIELDS_MAX do
        call('HSET', key, unpack(fields, first, math.min(first + FIELDS_MAX - 1, #fields)))
    end
end

-- The users of a batch, and which of them cast in which show: what has to be read.
local users, users_of_show = {}, {}  -- cast -> user; show -> {user, …}
local generation, spent_by_user, spent_changes = '0', {}, {}
local spenders = {}
for i, cast in ipairs(casts) do
    if cast[1] ~= 0 then
        local user, show = format('%d', cast[2]), cast[1]
        users[i] = user
        local of_show = users_of_show[show]
        if not of_show then
            of_show = {}
            users_of_show[show] = of_show
        end
        of_show[#of_show + 1] = user
        spenders[#spenders + 1] = user
    end
end
for _, row in ipairs(ballot_rows) do spenders[#spenders + 1] = format('%d', row[2]) end
if not grants then
    generation = call('HGET', spent_key, 'generation') or '0'
    spent_by_user = read_fields(spent_key, spenders)
end

-- A user's last day, the votes spent in it, and whether the database has to confirm that number (docs/adr/0004).
local function spent_of(user)
    if grants then
        -- A cast that only asks for the ballot has no grant, and spends nothing.
        local grant = grants[user] or {0, today, day_max, day_max}
        return grant[2], grant[3], false
    end
    local packed = spent_by_user[user]
    if not packed then return nil, nil, true end
    local known_in, day, spent = match(packed, '^(%d+) (%d+) (%d+)$')
    return tonumber(day), tonumber(spent), known_in ~= generation
end

local function keep_spent(user, day, spent)
    if grants then
        grants[user][3] = spent
        return
    end
    local packed = format('%s %d %d', generation, day, spent)
    spent_by_user[user] = packed
    spent_changes[#spent_changes + 1] = user
    spent_changes[#spent_changes + 1] = packed
end

-- The number spent never falls within a day, so the larger one is nearer to the truth: the logs of other shards may
-- hold casts that the database does not have yet, and Valkey may have lost casts that the database has.
local function warm_up_spent(user, day, spent)
    local hot_day, hot_spent, is_stale = spent_of(user)
    if not is_stale then return end
    if hot_day and (hot_day > day or hot_day == day and hot_spent > spent) then
        day, spent = hot_day, hot_spent
    end
    keep_spent(user, day, spent)
end

for _, row in ipairs(request[2]) do
    local show_key = prefix .. 'show:' .. format('%d', row[1])
    -- The row may be outdated: revise.lua may have run after it was read.
    local revision_min = tonumber(call('HGET', prefix .. 'revisions', format('%d', row[1])) or 0)
    if row[2] >= barrier and row[7] >= revision_min then
        if call('EXISTS', show_key) == 1 then
            -- A version before this one, which knew no picks, may have warmed it up.
            call('HSETNX', show_key, 'k', row[12])
        else
            call('HSET', show_key, 'o', row[3], 'c', row[4], 'l', row[5], 'b', row[6], 'r', row[7],
                       't', row[9], 'a', row[10], 'p', row[11], 'k', row[12], 'n', row[13], 'u', now_ms)
            local fields, tally = {}, row[8]
            for i = 1, #tally, 3 do
                fields[#fields + 1] = format('%d', tally[i])
                fields[#fields + 1] = format('%d %d', tally[i + 1], tally[i + 2])
            end
            write_fields(prefix .. 'tally:' .. format('%d', row[1]), fields)
            call('SADD', prefix .. 'shows', format('%d', row[1]))
        end
    end
end

for _, row in ipairs(ballot_rows) do
    local show, user = format('%d', row[1]), format('%d', row[2])
    if row[3] >= barrier and call('EXISTS', prefix .. 'show:' .. show) == 1 then
        call('HSETNX', prefix .. 'ballots:' .. show, user, row[4])
        warm_up_spent(user, row[5], row[6])
        if row[7] == 1 then call('SADD', prefix .. 'tickets:' .. show, user) end
    end
end

local LETTER = {'u', 'd'}
local shows = {}      -- show -> its rules, its ballots, and the counts of the songs in casts; read once a batch
local entry = {}      -- of the log: the accepted casts
local answers = {}
local holds_key = prefix .. 'holds'
local is_any_held = call('EXISTS', holds_key) == 1
local is_forgotten = false  -- whether a show was made cold

local function forget(show)
    local id = format('%d', show)
    call('UNLINK', prefix .. 'show:' .. id, prefix .. 'tally:' .. id, prefix .. 'ballots:' .. id, prefix .. 'tickets:' .. id)
    call('SREM', prefix .. 'shows', id)
    shows[show] = nil
    is_forgotten = true
end

-- Whether a change of the show's rules is under way. A hold whose deadline has passed was left by a node that died: whether
-- it changed the rules is unknown, so the show becomes cold.
local function is_held(show, id)
    local holds = call('HGET', holds_key, id)
    if not holds then return false end
    for deadline in string.gmatch(holds, '%S+ (%d+)') do
        if tonumber(deadline) > now_ms then return true end
    end
    forget(show)
    call('HDEL', holds_key, id)
    return false
end

local function read_show(show)
    local id = format('%d', show)
    local found = {id = id, is_held = is_any_held and is_held(show, id)}
    shows[show] = found
    if found.is_held then return found end
    local show_key = prefix .. 'show:' .. id
    local rules = call('HMGET', show_key, 'o', 'c', 'l', 'b', 't', 'p', 'u', 'n')
    found.is_known = rules[1] and true or false
    if rules[1] then
        found.opens, found.closes, found.is_locked = tonumber(rules[1]), tonumber(rules[2]), rules[3] == '1'
        found.budget, found.requires_ticket, found.played = tonumber(rules[4]), rules[5] == '1', rules[6] or ''
        found.is_new = rules[8] == '1'
        found.songs, found.changed, found.ballot_changes = {}, {}, {}
        found.ballots = read_fields(prefix .. 'ballots:' .. id, users_of_show[show] or {})
        -- Once a minute is exact enough for cool.lua, and costs no cast anything.
        if now_ms - tonumber(rules[7] or 0) >= 60000 then call('HSET', show_key, 'u', now_ms) end
    end
    return found
end

local function read_song(show, song)
    local id = format('%d', song)
    local packed = call('HGET', prefix .. 'tally:' .. show.id, id)
    local found = false
    if packed then
        local up, down = match(packed, '(%d+) (%d+)')
        found = {id = id, in_ballot = '%f[%d]' .. id .. '(%a)', u = tonumber(up), d = tonumber(down)}
    end
    show.songs[song] = found
    return found
end

local function decide_pick(pick)
    local show = shows[pick[4]] or read_show(pick[4])
    if show.is_held then return {9} end
    local closes_ms = call('HGET', prefix .. 'show:' .. show.id, 'k')
    if not closes_ms then return {1} end
    if cast_ms >= tonumber(closes_ms) then return {12} end
    entry[#entry + 1] = pick
    return {0, '', -1}
end

local function decide(cast, user)
    if cast[1] == 0 then
        if cast[2] == 4 then return decide_pick(cast) end
        entry[#entry + 1] = cast
        -- Which ballots of the group count is known once this entry is committed: rows read before it are not taken.
        if cast[2] == 3 then forget(cast[4]) end
        return {0, '', -1}
    end
    local show = shows[cast[1]] or read_show(cast[1])
    if show.is_held then return {9} end
    if not show.is_known then return {1} end
    local packed = show.ballots[user] or show.is_new and ''
    local spent_day, spent, is_spent_stale = spent_of(user)
    if not packed or is_spent_stale then return {2} end
    local is_set_aside = string.byte(packed) == 45
    if is_set_aside then packed = sub(packed, 2) end
    local held_order, ballot = match(packed, '^(%d+):(.*)$')
    held_order, ballot = tonumber(held_order or 0), ballot or packed
    if #cast > 2 then
        if cast_ms < show.opens or cast_ms >= show.closes then return {3} end
        if show.is_locked then return {4} end
        if show.requires_ticket and call('SISMEMBER', prefix .. 'tickets:' .. show.id, user) == 0 then
            return {8}
        end
    end

    local size_before = 0
    if show.budget > 0 then
        size_before = select(2, string.gsub(ballot, '%a', '%0'))
    end
    if #cast == 2 then
        return {0, ballot, show.budget > 0 and math.max(show.budget - size_before, 0) or -1, held_order}
    end

    local last_field, order = #cast, 0
    if cast[last_field - 1] < 0 then
        order, last_field = -cast[last_field - 1], last_field - 2
    end

    -- The ballot is edited as a string: parsing it into tables would cost more than all the rest.
    local size, cost, moves = size_before, 0, {}
    for i = 3, last_field, 2 do
        local wanted = LETTER[cast[i + 1]]
        local song = show.songs[cast[i]]
        if song == nil then song = read_song(show, cast[i]) end
        if not song then return {5, cast[i]} end
        local first, last_char, held = find(ballot, song.in_ballot)
        if held ~= wanted then
            if show.played ~= '' and find(show.played, ' ' .. song.id .. ' ', 1, true) then
                return {10, cast[i]}
            end
            moves[#moves + 1] = {song, held, wanted}
            if held then
                -- A changed choice keeps its place in the ballot; a withdrawn one is removed.
                ballot = sub(ballot, 1, first - 1) .. (wanted and song.id .. wanted or '') .. sub(ballot, last_char + 1)
            else
                ballot = ballot .. song.id .. wanted
            end
            -- A withdrawal is free, so that an undo is never refused.
            if wanted then cost = cost + 1 end
            size = size + (wanted and 1 or 0) - (held and 1 or 0)
        end
    end
    -- What a fan did last stands. A repetition of an old cast changes nothing, and is taken.
    if order > 0 and order <= held_order and #moves > 0 then return {11} end
    -- A ballot can be over its budget, if staff lowered the budget after the votes. It may shrink or change, but not grow.
    if show.budget > 0 and size > show.budget and size > size_before then return {6, show.budget} end
    -- In a cluster the day is that of the grant: the clocks of two servers may differ at midnight.
    local day, limit = today, day_max
    if grants then day, limit = spent_day, grants[user][4] end
    if spent_day ~= day then spent = 0 end
    if cost > 0 and spent + cost > limit then return {7} end

    if #moves > 0 then
        for _, move in ipairs(is_set_aside and {} or moves) do
            local song, held, wanted = move[1], move[2], move[3]
            if held then song[held] = song[held] - 1 end
            if wanted then song[wanted] = song[wanted] + 1 end
            show.changed[song] = true
        end
        if cost > 0 then
            keep_spent(user, day, spent + cost)
        end
    end
    if #moves > 0 or order > held_order then
        local highest = math.max(order, held_order)
        if highest > 0 then packed = format('%d:%s', highest, ballot) else packed = ballot end
        if is_set_aside then packed = '-' .. packed end
        local changes = show.ballot_changes
        show.ballots[user] = packed
        changes[#changes + 1] = user
        changes[#changes + 1] = packed
    end
    show.is_cast_on = true
    -- Every accepted cast is logged, even one that changes nothing: its first copy may have been lost.
    cast[#cast + 1] = day
    cast[#cast + 1] = spent + cost
    entry[#entry + 1] = cast
    return {0, ballot, show.budget > 0 and math.max(show.budget - size, 0) or -1}
end

for i, cast in ipairs(casts) do
    answers[i] = decide(cast, users[i])
end

write_fields(spent_key, spent_changes)

local position = last
if #entry > 0 or is_forgotten then
    position = cast_ms * 1024 + seq
    local packed_position = format('%d', position)
    -- An empty msgpack array when no cast was accepted.
    call('XADD', log_key, format('%d-%d', cast_ms, seq),
               'p', format('%d', last), 'e', #entry > 0 and cmsgpack.pack(entry) or '\144')
    call('HSET', meta_key, 'last', packed_position)
    -- Rows of the cold show that were read before must not come in.
    if is_forgotten then call('HSET', meta_key, 'barrier', packed_position) end
    for _, show in pairs(shows) do
        if show.is_cast_on then
            local tallies = {}
            for song in pairs(show.changed) do
                tallies[#tallies + 1] = song.id
                tallies[#tallies + 1] = format('%d %d', song.u, song.d)
            end
            write_fields(prefix .. 'tally:' .. show.id, tallies)
            write_fields(prefix .. 'ballots:' .. show.id, show.ballot_changes)
        end
    end
end
if not grants then return cmsgpack.pack({position, now_ms, answers}) end
local spent_after = {}
for i, grant in ipairs(request[5]) do spent_after[i] = grant[3] end
return cmsgpack.pack({position, now_ms, answers, spent_after})
