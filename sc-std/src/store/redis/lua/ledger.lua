-- KEYS: one shard of a ledger. ARGV: 1 most hashes, 2 when to drop it in milliseconds since 1970 or empty, then the hashes
-- to record in this order. The first that is known or finds no room ends it. Answers {'new' | 'repeated' | 'full', held}.
local ledger, most = KEYS[1], tonumber(ARGV[1])
local verdict = 'new'
for n = 3, #ARGV do
  if redis.call('SISMEMBER', ledger, ARGV[n]) == 1 then
    verdict = 'repeated'
    break
  end
  -- The first decides for all: room for every one of them, or none.
  if redis.call('SCARD', ledger) + (n == 3 and #ARGV - 2 or 1) > most then
    verdict = 'full'
    break
  end
  redis.call('SADD', ledger, ARGV[n])
end
if ARGV[2] ~= '' then
  redis.call('PEXPIREAT', ledger, ARGV[2])
else
  redis.call('PERSIST', ledger)
end
local held = redis.call('SCARD', ledger)
-- Its time was over by this server's clock, so that nothing is kept: then nothing may be accepted either.
if held == 0 then
  verdict = 'full'
end
return {verdict, held}
