-- ARGV: 4 session id, 5 record, 6 milliseconds to the first end, 7 most sessions, 8 most claims, 9 field and 10 value of
-- the first claim, or empty. Answers 'ok', 'taken' or 'full'.
local id, value, left = ARGV[4], ARGV[5], tonumber(ARGV[6])
sweep(4)
local there = redis.call('GET', record)
if there then
  -- The same bytes, with a random IV in them: our own attempt, sent again after a lost answer.
  return there == value and 'ok' or 'taken'
end
if redis.call('ZCARD', index) >= tonumber(ARGV[7]) then
  sweep(1000)
  if redis.call('ZCARD', index) >= tonumber(ARGV[7]) then
    return 'full'
  end
end
if ARGV[9] ~= '' then
  if tonumber(redis.call('GET', total) or '0') >= tonumber(ARGV[8]) then
    return 'full'
  end
  redis.call('HSET', claims, ARGV[9], ARGV[10])
  redis.call('PEXPIRE', claims, left + KEEP)
  redis.call('INCR', total)
end
redis.call('SET', record, value, 'PX', left)
redis.call('ZADD', index, now + left, id)
return 'ok'
