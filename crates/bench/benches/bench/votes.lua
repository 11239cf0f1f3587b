-- Posts votes for four candidates in turn; with a key of its own each where an argument says what the keys begin with; and so many in
-- the lines of one request, with a gateway's token, where two more arguments say so.
-- Requests are made of two pieces around the key: wrk's own format would cost more than the vote.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local heads, tails, turn, count, keys = {}, {}, 0, 0, nil
local candidates = { "ana", "bia", "caio", "davi" }
local lines, head, batch = nil, nil, {}

local function init_batch()
  wrk.headers["Content-Type"] = "application/x-ndjson"
  -- The length of the body is another one each time.
  head = wrk.format(nil, nil, nil, nil):gsub("\r\n\r\n$", "\r\nContent-Length: ")
  for index, candidate in ipairs(candidates) do
    heads[index] = '{"channel":"torcida","candidate":"' .. candidate .. '","key":"' .. keys .. "-"
  end
end

function init(args)
  keys, lines = args[1], tonumber(args[2])
  if lines then
    wrk.headers["Authorization"] = "Bearer " .. args[3]
    return init_batch()
  end
  if keys then wrk.headers["Idempotency-Key"] = "@" end
  for index, candidate in ipairs(candidates) do
    local whole = wrk.format(nil, nil, nil, '{"candidate":"' .. candidate .. '"}')
    local at = keys and whole:find("@", 1, true)
    heads[index] = at and whole:sub(1, at - 1) .. keys .. "-" or whole
    tails[index] = at and whole:sub(at + 1)
  end
end

local function request_batch()
  for line = 1, lines do
    turn = turn % 4 + 1
    count = count + 1
    batch[line] = heads[turn] .. count .. '"}\n'
  end
  local body = table.concat(batch, "", 1, lines)
  return head .. #body .. "\r\n\r\n" .. body
end

function request()
  if lines then return request_batch() end
  turn = turn % 4 + 1
  if not keys then return heads[turn] end
  count = count + 1
  return heads[turn] .. count .. tails[turn]
end

function done(summary)
  local errors = summary.errors
  io.write(string.format("votes %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
