-- KEYS: 1 all tokens by their end. ARGV: 1 prefix of entries, 2 prefix of accounts, 3 the token's hash or empty, 4 the
-- account's name where there is no token, 5 'all' to end the account's other tokens too. Answers the token's entry.
local entry, account = false, ARGV[4]
if ARGV[3] ~= '' then
  entry = redis.call('GET', ARGV[1] .. ARGV[3])
  if not entry then
    return false
  end
  account = string.sub(entry, 1, 64)
  redis.call('DEL', ARGV[1] .. ARGV[3])
  redis.call('ZREM', KEYS[1], ARGV[3])
  redis.call('SREM', ARGV[2] .. account, ARGV[3])
end
if ARGV[5] == 'all' then
  for _, hash in ipairs(redis.call('SMEMBERS', ARGV[2] .. account)) do
    redis.call('DEL', ARGV[1] .. hash)
    redis.call('ZREM', KEYS[1], hash)
  end
  redis.call('DEL', ARGV[2] .. account)
end
return entry
