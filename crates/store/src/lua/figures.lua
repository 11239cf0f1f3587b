-- Reads the figures of one shard in one step, so that they agree with each other: of its minutes those that still
-- change. It runs as EVALSHA_RO: the server itself keeps it from writing. A MULTI would do as well, but is refused
-- while the server is out of memory, which is when readers must not be lost as well.
--
-- KEYS  1 state  2 tally  3 late  4 quarantine  5.. minutes, last writers
-- ARGV  the fields of the fence to read
-- Returns an array: the fence's fields, then each other hash as a flat list of fields and values.

local figures = { redis.call('HMGET', KEYS[1], unpack(ARGV)) }
for i = 2, #KEYS do
  figures[i] = redis.call('HGETALL', KEYS[i])
end
return figures
