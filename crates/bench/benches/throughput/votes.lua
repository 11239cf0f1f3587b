-- Posts votes for four candidates in turn; with a key of its own each where `keyed` is set.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local bodies, requests, turn, count, run = {}, {}, 0, 0, os.time()

function init()
  for index, candidate in ipairs({ "ana", "bia", "caio", "davi" }) do
    bodies[index] = '{"candidate":"' .. candidate .. '"}'
    requests[index] = wrk.format(nil, nil, nil, bodies[index])
  end
end

function request()
  turn = turn % 4 + 1
  if not keyed then return requests[turn] end
  count = count + 1
  wrk.headers["Idempotency-Key"] = run .. "-" .. count
  return wrk.format(nil, nil, nil, bodies[turn])
end

function done(summary)
  local errors = summary.errors
  io.write(string.format("votes %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
