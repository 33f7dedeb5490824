-- KEYS: 1 the token's entry, 2 the account's tokens, 3 all tokens by their end. ARGV: 1 now, 2 time to live, 3 most tokens,
-- 4 the token's hash, 5 the entry: 64 characters that name the account, then what is sealed. Answers 'ok' or 'full'.
local now, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[3]) then
  return 'full'
end
redis.call('SET', KEYS[1], ARGV[5], 'PX', ttl)
redis.call('SADD', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ttl)
redis.call('ZADD', KEYS[3], now + ttl, ARGV[4])
redis.call('PEXPIRE', KEYS[3], ttl)
return 'ok'
