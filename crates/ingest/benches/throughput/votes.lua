-- Posts votes for four candidates in turn.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local requests, turn, bad = {}, 0, 0

function init()
  for index, candidate in ipairs({ "ana", "bia", "caio", "davi" }) do
    requests[index] = wrk.format(nil, nil, nil, '{"candidate":"' .. candidate .. '"}')
  end
end

function request()
  turn = turn % 4 + 1
  return requests[turn]
end

function done(summary)
  local errors = summary.errors
  io.write(string.format("votes %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
