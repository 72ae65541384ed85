-- Reserves votes of the day's budget for casts that other scripts decide next, and takes back what they did not need. In a cluster
-- the budget of a fan is in the fan's home shard, and casts are decided in other shards (docs/adr/0040).
--
-- KEYS[1]  the home shard's prefix
-- ARGV[1]  msgpack: {votes_per_day_max, settled, rows, wanted, unused}
--            settled     a process: the database has every vote that was in a log when that process had the home already
--            row         {user, day, spent, generation}: of the database; read after the user was cold in that generation
--            wanted      {user, votes}, at most so many
--            unused      {user, day, votes}, of an earlier call
-- ARGV[2]  the process that runs this
-- returns  msgpack: {generation, {grant, …}}, one grant for each of wanted: {day, spent before, limit}, {} when the user is cold;
--          generation -1: another process opened this home, and it is not settled
--
-- A number that another process kept, or that is missing, may lack votes that are still in the logs of other shards. So this
-- process first waits for their commit (day_budgets.py), and then asks the database.

local spent_key = KEYS[1] .. 'spent'
local request = cmsgpack.unpack(ARGV[1])
local server, day_max = ARGV[2], request[1]
if redis.call('HGET', spent_key, 'server') ~= server then
    if request[2] ~= server then return cmsgpack.pack({-1, {}}) end
    redis.call('HSET', spent_key, 'server', server)
    redis.call('HINCRBY', spent_key, 'generation', 1)
end
local generation = redis.call('HGET', spent_key, 'generation')
local today = math.floor(tonumber(redis.call('TIME')[1]) / 86400)

local function read(user)
    local known_in, day, spent = string.match(redis.call('HGET', spent_key, user) or '', '^(%d+) (%d+) (%d+)$')
    return tonumber(day), tonumber(spent), known_in
end

local function keep(user, day, spent, known_in)
    redis.call('HSET', spent_key, user, string.format('%s %d %d', known_in or generation, day, spent))
end

for _, unused in ipairs(request[5]) do
    local user = string.format('%d', unused[1])
    local day, spent, known_in = read(user)
    -- Also of a number that is cold: its row has every vote that was spent.
    if day == unused[2] then keep(user, day, math.max(spent - unused[3], 0), known_in) end
end

for _, row in ipairs(request[3]) do
    local user = string.format('%d', row[1])
    local day, spent, known_in = read(user)
    if known_in ~= generation and row[4] == tonumber(generation) then
        -- Within a day the number spent only grows, so the larger one is nearer to the truth.
        if not day or day < row[2] or day == row[2] and spent < row[3] then day, spent = row[2], row[3] end
        keep(user, day, spent)
    end
end

local grants = {}
for i, wanted in ipairs(request[4]) do
    local user = string.format('%d', wanted[1])
    local day, spent, known_in = read(user)
    if known_in == generation then
        if day < today then day, spent = today, 0 end
        local limit = math.min(spent + wanted[2], math.max(spent, day_max))
        if limit > spent then keep(user, day, limit) end
        grants[i] = {day, spent, limit}
    else
        grants[i] = {}
    end
end
return cmsgpack.pack({tonumber(generation), grants})
