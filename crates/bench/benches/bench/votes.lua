-- Posts votes for four candidates in turn. What they carry is said by arguments, each NAME=VALUE:
--   keys=TEXT      an Idempotency-Key each, which begins so
--   lines=N        so many in the lines of one request
--   bearer=TOKEN   the token of the gateway that sends these
--   channel=ID     the channel of each
--   clients=N      X-Forwarded-For, with an address out of 16 million each; another N makes others
--   tokens=FILE    a voter token each: the lines of that file; `again=yes`: from its beginning, once it has ended
--   proofs=FILE    a proof of work each, in the same way; all of the same length
-- Requests are put together of pieces: wrk's own format would cost more than the vote.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local options, templates, fills, turn, count = {}, {}, {}, 0, 0
local candidates = { "ana", "bia", "caio", "davi" }
local batch_head, line_heads, batch = nil, {}, {}
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

-- The lines of a file, one at each call.
local function reader(path)
  local file = assert(io.open(path, "r"))
  file:setvbuf("full", 1048576)
  return function()
    local line = file:read("*l")
    if not line and options.again then
      file:seek("set")
      line = file:read("*l")
    end
    -- What is sent then is refused, and it is said in the end.
    if not line then _G.missing = (_G.missing or 0) + 1 end
    return line or ""
  end
end

local function next_key()
  count = count + 1
  return options.keys .. "-" .. count
end

local numbers = {}
for number = 0, 255 do numbers[number] = tostring(number) end
local random = math.random

local function next_client()
  return "100." .. numbers[random(0, 255)] .. "." .. numbers[random(0, 255)] .. "." .. numbers[random(0, 255)]
end

-- What stands for a value in a request, and the value's length where the length of the body depends on it.
local function value(name, fill, length)
  fills["@" .. name .. "@"] = fill
  return "@" .. name .. "@", length and length - #name - 2 or 0
end

-- A request in pieces: every second one is a value, which is made anew each time.
local function template(body, growth)
  local text = wrk.format(nil, nil, nil, body)
  text = text:gsub("Content%-Length: %d+", "Content-Length: " .. #body + growth, 1)
  local pieces, from, values = {}, 1, {}
  for at, name, behind in text:gmatch("()(@%l+@)()") do
    pieces[#pieces + 1] = text:sub(from, at - 1)
    pieces[#pieces + 1] = ""
    values[#values + 1] = fills[name]
    from = behind
  end
  pieces[#pieces + 1] = text:sub(from)
  return { pieces = pieces, values = values, whole = #values == 0 and text or nil }
end

local function init_batch()
  wrk.headers["Content-Type"] = "application/x-ndjson"
  wrk.headers["Authorization"] = "Bearer " .. options.bearer
  -- The length of the body is another one each time.
  batch_head = wrk.format(nil, nil, nil, nil):gsub("\r\n\r\n$", "\r\nContent-Length: ")
  for index, candidate in ipairs(candidates) do
    line_heads[index] = '{"channel":"' .. options.channel .. '","candidate":"' .. candidate .. '","key":"' .. options.keys .. "-"
  end
end

function init(args)
  for _, argument in ipairs(args) do
    local name, text = argument:match("^(%l+)=(.*)$")
    options[name] = text
  end
  if options.lines then return init_batch() end
  if options.keys then wrk.headers["Idempotency-Key"] = value("key", next_key) end
  if options.clients then
    math.randomseed(tonumber(options.clients))
    wrk.headers["X-Forwarded-For"] = value("client", next_client)
  end
  if options.tokens then wrk.headers["Authorization"] = "Bearer " .. value("token", reader(options.tokens)) end
  local more, growth = "", 0
  if options.channel then more = ',"channel":"' .. options.channel .. '"' end
  if options.proofs then
    local proof
    local length = #io.open(options.proofs, "r"):read("*l")
    proof, growth = value("proof", reader(options.proofs), length)
    more = more .. ',"proof":"' .. proof .. '"'
  end
  for index, candidate in ipairs(candidates) do
    templates[index] = template('{"candidate":"' .. candidate .. '"' .. more .. "}", growth)
  end
end

local function request_batch()
  local lines = tonumber(options.lines)
  for line = 1, lines do
    turn = turn % 4 + 1
    count = count + 1
    batch[line] = line_heads[turn] .. count .. '"}\n'
  end
  local body = table.concat(batch, "", 1, lines)
  return batch_head .. #body .. "\r\n\r\n" .. body
end

function request()
  if batch_head then return request_batch() end
  turn = turn % 4 + 1
  local template = templates[turn]
  if template.whole then return template.whole end
  local pieces = template.pieces
  for place, fill in ipairs(template.values) do pieces[2 * place] = fill() end
  return table.concat(pieces)
end

function done(summary)
  local errors, without = summary.errors, 0
  for _, thread in ipairs(threads) do without = without + (thread:get("missing") or 0) end
  io.write(string.format("votes %d %d %d %d %d\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, without))
end
