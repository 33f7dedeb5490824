-- KEYS: 1 the revoked RSA keys, 2 the shared ones. ARGV: 1 key id.
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('SADD', KEYS[1], ARGV[1])
