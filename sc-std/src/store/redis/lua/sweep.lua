-- Answers how many sessions ended, and how many are left.
local ended = sweep(1000)
return {ended, redis.call('ZCARD', index)}
