-- The gate of one provider, shared by all nodes: whether a node may ask the provider now, and the outcomes of questions.
-- KEYS: state (hash: failures, open_until_ms, reason, trying_until_ms), turns (list of the last turns [ms], newest
--       first), day (number of questions this UTC day)
-- ARGV: "enter", count_max, period_ms, pace_ms, wait_ms_max, day_max (0: none), day_allowed, trying_ms
--         -> {"go", wait_ms, was_open} | {"shut", wait_ms, reason} | {"full", wait_ms} | {"spent", 0}
--       "leave", "ok" | "failed" | "shut", failures_max, open_ms, open_ms_max, reason
--         -> {failures, how long the circuit stays open [ms]}
-- The clock is Valkey's, because the clocks of nodes differ.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local KEPT_MS = 2 * 86400 * 1000

local function number(field) return tonumber(redis.call('HGET', KEYS[1], field) or '0') end

if ARGV[1] == 'enter' then
    local count_max, period_ms, pace_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
    local open_until = number('open_until_ms')
    if open_until > now then
        return { 'shut', open_until - now, redis.call('HGET', KEYS[1], 'reason') or '' }
    end
    -- The open time is over: one question tries the provider, the others wait for its outcome.
    local was_open = open_until > 0
    if was_open then
        local trying_until = number('trying_until_ms')
        if trying_until > now then
            return { 'shut', trying_until - now, 'it is being tried again' }
        end
    end
    local day_max = tonumber(ARGV[6])
    if day_max > 0 and tonumber(redis.call('GET', KEYS[3]) or '0') >= tonumber(ARGV[7]) then
        return { 'spent', 0 }
    end
    -- A turn is assigned ahead of time, so each caller knows how long to wait, and no caller is passed over.
    local last = tonumber(redis.call('LINDEX', KEYS[2], 0) or '0')
    local oldest = tonumber(redis.call('LINDEX', KEYS[2], count_max - 1) or '0')
    local turn = math.max(now, last + pace_ms, oldest + period_ms)
    if turn - now > tonumber(ARGV[5]) then
        return { 'full', turn - now }
    end
    redis.call('LPUSH', KEYS[2], string.format('%d', turn))
    redis.call('LTRIM', KEYS[2], 0, count_max - 1)
    redis.call('PEXPIRE', KEYS[2], turn - now + period_ms + pace_ms)
    redis.call('INCR', KEYS[3])
    redis.call('PEXPIRE', KEYS[3], KEPT_MS)
    if was_open then
        redis.call('HSET', KEYS[1], 'trying_until_ms', string.format('%d', turn + tonumber(ARGV[8])))
    end
    return { 'go', turn - now, was_open and 1 or 0 }
end

if ARGV[2] == 'ok' then
    -- While the circuit is open, the answer to an earlier question says nothing about now.
    if number('open_until_ms') <= now then
        redis.call('DEL', KEYS[1])
    end
    return { 0, 0 }
end
local failures, open_ms = number('failures'), 0
if ARGV[2] == 'shut' then
    open_ms = tonumber(ARGV[4])
else
    failures = failures + 1
    local over = failures - tonumber(ARGV[3])
    if over >= 0 then
        open_ms = math.min(tonumber(ARGV[4]) * 2 ^ math.min(over, 20), tonumber(ARGV[5]))
    end
end
redis.call('HSET', KEYS[1], 'failures', failures)
if open_ms > 0 then
    local open_until = math.max(now + open_ms, number('open_until_ms'))
    redis.call('HSET', KEYS[1], 'open_until_ms', string.format('%d', open_until), 'reason', ARGV[6], 'trying_until_ms', 0)
end
redis.call('PEXPIRE', KEYS[1], string.format('%d', KEPT_MS + open_ms))
return { failures, math.floor(open_ms) }
