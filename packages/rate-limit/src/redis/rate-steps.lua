-- What a rate meter says of a call, before it is known whether the others let it be charged. Like
-- src/memory/token-bucket.ts and src/memory/sliding-window.ts, step by step.

local WINDOW_SLOTS = 20

-- State: 'level at periodMs', the level in 1/periodMs of a unit.
local function step_bucket(state, cost, limit, period_ms, capacity)
  local full = capacity * period_ms
  local level, at = full, now
  if state then
    local numbers = numbers_of(state)
    level, at = numbers[1], math.max(numbers[2], now)
    if numbers[3] ~= period_ms then
      level = divide_down(level, numbers[3]) * period_ms
    end
    local elapsed = math.max(0, now - numbers[2])
    if level >= full or elapsed >= divide_up(full - level, limit) then
      level = full
    else
      level = level + elapsed * limit
    end
  end
  -- How far a clock that was set back has to catch up before anything is refilled.
  local behind = at - now
  local never = cost > capacity
  local admits = not never and level >= cost * period_ms
  local function left(units)
    return { divide_down(units, period_ms), behind + divide_up(full - units, limit) }
  end
  local after, retry = level, 0
  if admits then
    after = level - cost * period_ms
  elseif never then
    retry = -1
  else
    retry = behind + divide_up(cost * period_ms - level, limit)
  end
  return {
    admits = admits,
    retry = retry,
    if_charged = left(after),
    if_not = left(level),
    state = text(after) .. ' ' .. text(at) .. ' ' .. text(period_ms),
  }
end

-- State: 'slotMs newest' and the units by slot, the oldest first.
local function step_window(state, cost, limit, period_ms)
  local slot_ms = divide_up(period_ms, WINDOW_SLOTS)
  local newest = divide_down(now, slot_ms)
  local counts, used = {}, 0
  for place = 1, WINDOW_SLOTS + 1 do
    counts[place] = 0
  end
  if state then
    local numbers = numbers_of(state)
    local same = numbers[1] == slot_ms
    newest = same and math.max(newest, numbers[2]) or newest
    for place = 1, WINDOW_SLOTS + 1 do
      -- A rule whose period was changed forgets nothing: what was counted counts as charged now.
      local to = same and place - (newest - numbers[2]) or WINDOW_SLOTS + 1
      if to >= 1 then
        counts[to] = counts[to] + numbers[place + 2]
        used = used + numbers[place + 2]
      end
    end
  end
  local admits = used + cost <= limit
  local function empty_in()
    for place = WINDOW_SLOTS + 1, 1, -1 do
      if counts[place] > 0 then
        return (newest + place) * slot_ms - now
      end
    end
    return 0
  end
  local if_not = { math.max(0, limit - used), empty_in() }
  local retry = 0
  if cost > limit then
    retry = -1
  elseif not admits then
    local freed, place = 0, 0
    while freed < used + cost - limit do
      place = place + 1
      freed = freed + counts[place]
    end
    retry = (newest + place) * slot_ms - now
  end
  counts[WINDOW_SLOTS + 1] = counts[WINDOW_SLOTS + 1] + cost
  local parts = { text(slot_ms), text(newest) }
  for place = 1, WINDOW_SLOTS + 1 do
    parts[#parts + 1] = text(counts[place])
  end
  return {
    admits = admits,
    retry = retry,
    if_charged = { limit - used - cost, empty_in() },
    if_not = if_not,
    state = table.concat(parts, ' '),
  }
end
