-- Reads minutes of one shard that are over, as many of them as have some number of fields together: so a call keeps the
-- server for a bounded time, whatever they hold. It runs as EVALSHA_RO: the server itself keeps it from writing.
--
-- KEYS  1.. minutes, in the order in which they are wanted
-- ARGV  1 the fields after which no further minute is read
-- Returns an array: how many minutes were read, then for each of them that has votes its place among KEYS and a flat
-- list of fields and values.

local found, left, read = { 0 }, tonumber(ARGV[1]), 0
for i = 1, #KEYS do
  local votes = redis.call('HGETALL', KEYS[i])
  if #votes > 0 then
    found[#found + 1] = i
    found[#found + 1] = votes
    left = left - #votes / 2
  end
  read = i
  if left <= 0 then break end
end
found[1] = read
return found
