-- KEYS: the moments of one key's accepted requests, oldest first. ARGV: 1 now, 2 length of the window, 3 most requests,
-- 4 'claim' or 'look'. Answers 0 if there is one left, else when, in milliseconds since 1970.
local now, window, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
while true do
  local oldest = tonumber(redis.call('LINDEX', KEYS[1], 0) or '')
  if not oldest or oldest + window > now then
    break
  end
  redis.call('LPOP', KEYS[1])
end
if redis.call('LLEN', KEYS[1]) >= most then
  local oldest = tonumber(redis.call('LINDEX', KEYS[1], 0) or tostring(now))
  return string.format('%.0f', oldest + window)
end
if ARGV[4] == 'claim' then
  redis.call('RPUSH', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], window)
end
return '0'
