-- KEYS: 1 the shared RSA keys, 2 the right to rotate. ARGV: 1 who holds the right, 2 key id, 3 the sealed key, then key ids
-- that are no longer accepted. Answers whether the right was still held.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
for n = 4, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[n])
end
redis.call('DEL', KEYS[2])
return 1
