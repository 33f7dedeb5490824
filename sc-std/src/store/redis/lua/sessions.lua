-- Shared by the scripts over sessions. KEYS: the session's record, its claims, the shard's index, its count of claims.
-- Record:  16 digits, the absolute end in milliseconds, then the sealed record; its TTL is the end if it is not used.
-- Claims:  a hash, IV to 4 bytes of the tag; without the replay check one field '#' that counts.
-- Index:   session id by when to look at it again. Never earlier than needed, often later than the first guess.
local record, claims, index, total = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, record_prefix, claims_prefix = tonumber(ARGV[1]), ARGV[2], ARGV[3]
-- Claims outlive their record, so that the count stays right even where nobody looked for a while: a week.
local KEEP = 604800000

-- A full Redis refuses a script whose first write takes memory: the first write here gives some back.
local function forget(id)
  local held = redis.call('HLEN', claims_prefix .. id)
  redis.call('UNLINK', record_prefix .. id, claims_prefix .. id)
  if held > 0 then
    redis.call('DECRBY', total, held)
  end
  return redis.call('ZREM', index, id)
end

-- Drops sessions that are over, at most that many; whoever was used meanwhile is looked at again later.
local function sweep(most)
  local ended, used = 0, {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, most)) do
    local left = redis.call('PTTL', record_prefix .. id)
    if left > 0 then
      used[id] = left
    else
      ended = ended + forget(id)
    end
  end
  for id, left in pairs(used) do
    -- Without memory for it the old entry stands, and is looked at again.
    redis.pcall('ZADD', index, now + left, id)
  end
  if redis.call('ZCARD', index) == 0 then
    redis.call('DEL', total)
  end
  return ended
end
