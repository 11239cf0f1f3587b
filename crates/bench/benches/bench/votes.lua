-- Posts votes for four candidates in turn; with a key of its own each where an argument says what the keys begin with.
-- Requests are made of two pieces around the key: wrk's own format would cost more than the vote.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local heads, tails, turn, count, keys = {}, {}, 0, 0, nil

function init(args)
  keys = args[1]
  if keys then wrk.headers["Idempotency-Key"] = "@" end
  for index, candidate in ipairs({ "ana", "bia", "caio", "davi" }) do
    local whole = wrk.format(nil, nil, nil, '{"candidate":"' .. candidate .. '"}')
    local at = keys and whole:find("@", 1, true)
    heads[index] = at and whole:sub(1, at - 1) .. keys .. "-" or whole
    tails[index] = at and whole:sub(at + 1)
  end
end

function request()
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
