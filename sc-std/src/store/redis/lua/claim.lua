-- ARGV: 4 session id, 5 idle time in milliseconds, 6 most claims, 7 most messages, 8 most claims of a modest session, 9 field
-- and 10 value of the claim; field '#': only count. Answers 'new', 'replayed', 'reused', 'exhausted', 'full' or 'gone'.
local id, most, field, value = ARGV[4], tonumber(ARGV[6]), ARGV[9], ARGV[10]
local ends = tonumber(redis.call('GETRANGE', record, 0, 15))
if not ends then
  return 'gone'
end
local left = math.min(tonumber(ARGV[5]), ends - now)
if left <= 0 then
  return 'gone'
end
if field == '#' then
  local opened = tonumber(redis.call('HGET', claims, field) or '0')
  if opened >= tonumber(ARGV[7]) then
    return 'exhausted'
  end
  if redis.call('HINCRBY', claims, field, 1) == 1 then
    redis.call('INCR', total)
  end
else
  local known = redis.call('HGET', claims, field)
  if known == value then
    return 'replayed'
  end
  if known then
    -- The client's random generator failed, and GCM gives its authentication key up: the session ends in this very step.
    forget(id)
    return 'reused'
  end
  local held = redis.call('HLEN', claims)
  if held >= tonumber(ARGV[7]) then
    return 'exhausted'
  end
  if tonumber(redis.call('GET', total) or '0') >= most then
    sweep(1000)
    if tonumber(redis.call('GET', total) or '0') >= most then
      return held > tonumber(ARGV[8]) and 'exhausted' or 'full'
    end
  end
  redis.call('HSET', claims, field, value)
  redis.call('INCR', total)
end
redis.call('PEXPIRE', record, left)
redis.call('PEXPIRE', claims, left + KEEP)
return 'new'
