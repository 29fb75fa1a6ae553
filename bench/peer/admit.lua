-- One round trip for the three things that stand before a job: rate limit, nonce, idempotency record.
-- KEYS: rate window, nonce, idempotency record. ARGV: limit, window (s), nonce life (s), body hash, record life (s)
-- Answers {verdict, remaining, stored record}
local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
local remaining = tonumber(ARGV[1]) - used
if remaining < 0 then return {'limited', 0, redis.call('TTL', KEYS[1])} end
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[3]) then return {'replayed', remaining, ''} end
local stored = redis.call('GET', KEYS[3])
if stored then return {'known', remaining, stored} end
redis.call('SET', KEYS[3], 'running ' .. ARGV[4], 'EX', ARGV[5])
return {'new', remaining, ''}
