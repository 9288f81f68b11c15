-- Takes what one worker reports of some tenants; answers what is left of their quotas, and what part is the worker's.
--
-- KEYS: the workers' hash, then a hash for each tenant. ARGV: the worker's name, then a report for each tenant, as
-- `REPORT` in account.py. Returns the number of workers, then an answer for each tenant, as `ANSWER` there.
--
-- A tenant's hash has `began` and `at`, the times of the first and the latest report; `calls` and `rows`, the tokens at
-- the latest; and for each worker, as `w:` and its name, an ENTRY: time, calls and rows ever taken, demand of both, calls
-- wished and under way.

local FORGET = 60 -- seconds after which what nobody reports of is forgotten
local LIVE = 1 -- seconds after which a worker that reports nothing is taken for dead
local SLACK = 0.1 -- seconds by which the clock here and a worker's may differ between two reports
local NEW = 0.3 -- seconds after which all workers that a new tenant calls have reported it
local RESERVE = 0.1 -- part of a rate that is divided equally, so that nobody is left with nothing
local REPORT, ENTRY, ANSWER = '<dddddddddddddddddd', '<ddddddd', '<ddddd'

local me = ARGV[1]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

-- Notes that this worker lives; returns how many do.
local function count_workers()
  local count = 1
  local seen = redis.call('HGETALL', KEYS[1])
  for i = 1, #seen, 2 do
    local age = now - tonumber(seen[i + 1])
    if age > FORGET or age < -LIVE then
      redis.call('HDEL', KEYS[1], seen[i])
    elseif age <= LIVE and seen[i] ~= me then
      count = count + 1
    end
  end
  redis.call('HSET', KEYS[1], me, string.format('%.6f', now))
  redis.call('EXPIRE', KEYS[1], FORGET)
  return count
end

-- Reads a tenant's hash: what is kept of the quotas, this worker's entry, and the entries of others that live.
local function read(key)
  local kept, mine, others = {}, nil, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name:sub(1, 2) ~= 'w:' then
      kept[name] = tonumber(value)
    else
      local entry = { struct.unpack(ENTRY, value) }
      local age = now - entry[1]
      if name == 'w:' .. me then
        mine = entry
      elseif age > FORGET or age < -LIVE then
        redis.call('HDEL', key, name)
      elseif age <= LIVE then
        entry.name = name
        others[#others + 1] = entry
      end
    end
  end
  return kept, mine, others
end

-- Returns what is left of a quota after a report.
local function settle(tokens, quota, seen, report)
  if report.adrift then -- its own share was its limit; what it has left belongs to all again
    local rest = 0
    if tokens and report.pause <= LIVE then rest = tokens + quota.rate * report.pause end
    return math.min(quota.capacity, rest + quota.level)
  end
  if not tokens then -- lost, if it was here lately
    if report.elapsed < FORGET then return math.min(quota.capacity, quota.level) end
    return math.min(quota.capacity, quota.capacity + quota.rate * report.covers - quota.unacknowledged)
  end
  local owed = quota.unacknowledged
  if seen and quota.taken >= seen then owed = quota.taken - seen end -- an earlier report may have come without answer
  local covered = math.min(report.pause, report.covers)
  local before = math.min(quota.capacity, tokens + quota.rate * (report.pause - covered))
  return math.min(quota.capacity, before + quota.rate * covered - owed)
end

-- Returns a worker's part: of what is demanded, and an equal one of what nobody demands. All parts are 1.
local function part(mine, all, limit, workers, reserve)
  local spare = math.max(0, 1 - all / limit)
  return (1 - reserve) * (mine / math.max(all, limit) + spare / workers) + reserve / workers
end

local function sum(others, index, mine)
  for _, entry in ipairs(others) do mine = mine + entry[index] end
  return mine
end

-- Returns how many calls this worker may have under way. The parts are rounded in the order of the workers' names, so
-- that they are whole and together the limit; and nobody gets what others have under way, or may have without having
-- reported it yet.
local function allow(limit, wish, others, workers, new)
  local all = sum(others, 6, wish)
  local before = 0
  for _, entry in ipairs(others) do
    if entry.name < 'w:' .. me then before = before + part(entry[6], all, limit, workers, 0) * limit end
  end
  local after = before + part(wish, all, limit, workers, 0) * limit
  local whole = math.floor(after + 1e-6) - math.floor(before + 1e-6)
  if new then whole = math.min(whole, math.floor(limit / workers)) end
  return math.max(1, math.min(whole, limit - sum(others, 7, 0)))
end

local function reconcile(key, packed, workers)
  local f = { struct.unpack(REPORT, packed) }
  local kept, mine, others = read(key)
  workers = math.max(workers, #others + 1)
  local pause = math.max(0, now - (kept.at or now))
  if pause > f[1] + SLACK then pause = f[1] end -- the clock was set: this worker reported less long ago
  local report = { elapsed = f[1], covers = f[2], adrift = f[3] == 1, pause = pause }
  local answer, ttl = { 0, 0, 0, 0, 0 }, FORGET
  for index, name in ipairs({ 'calls', 'rows' }) do
    local o = 6 * index - 2
    local quota =
      { rate = f[o], capacity = f[o + 1], taken = f[o + 2], unacknowledged = f[o + 3], level = f[o + 4], demand = f[o + 5] }
    if quota.rate > 0 then
      local tokens = settle(kept[name], quota, mine and mine[1 + index], report)
      redis.call('HSET', key, name, string.format('%.17g', tokens))
      answer[2 * index - 1] = tokens
      local all = sum(others, 3 + index, quota.demand)
      answer[2 * index] = part(quota.demand, all, quota.rate, workers, RESERVE)
      ttl = math.max(ttl, FORGET - tokens / quota.rate) -- debt is not forgotten
    elseif kept[name] then
      redis.call('HDEL', key, name)
    end
  end
  if f[16] > 0 then answer[5] = allow(f[16], f[17], others, workers, now - (kept.began or now) < NEW) end
  if not kept.began then redis.call('HSET', key, 'began', string.format('%.6f', now)) end
  redis.call('HSET', key, 'at', string.format('%.6f', now))
  redis.call('HSET', key, 'w:' .. me, struct.pack(ENTRY, now, f[6], f[12], f[9], f[15], f[17], f[18]))
  redis.call('EXPIRE', key, string.format('%d', math.min(ttl, 86400)))
  return struct.pack(ANSWER, unpack(answer))
end

local workers = count_workers()
local answers = { struct.pack('<d', workers) }
for i = 2, #KEYS do answers[i] = reconcile(KEYS[i], ARGV[i], workers) end
return table.concat(answers)
