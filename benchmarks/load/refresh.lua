-- Refreshes sessions in chains: each answer brings the token of a later request. One token is never sent twice. The
-- tokens begin as the lines START + 1 … START + COUNT of LINES; there must be more than connections.

local tokens, first, last = {}, 1, 0
local method, path, field = os.getenv("METHOD"), os.getenv("TARGET"), os.getenv("FIELD")
local in_body = os.getenv("TOKEN_IN") == "body"
local pattern = '"' .. field .. '": ?"([^"]+)"'
bad = 0

local function keep(token)
  last = last + 1
  tokens[last] = token
end

function init(args)
  local start, count, number = tonumber(os.getenv("START")), tonumber(os.getenv("COUNT")), 0
  for line in io.lines(os.getenv("LINES")) do
    number = number + 1
    if number > start and number <= start + count then keep(line) end
  end
end

function request()
  local token = tokens[first] or "none is left"  -- only after answers without a token
  tokens[first] = nil
  first = first + 1
  if in_body then
    local headers = {["Host"] = wrk.headers["Host"], ["Content-Type"] = "application/json"}
    return wrk.format(method, path, headers, '{"' .. field .. '":"' .. token .. '"}')
  end
  return wrk.format(method, path, {["Host"] = wrk.headers["Host"], ["Authorization"] = "Bearer " .. token})
end

function response(status, headers, body)
  local token = status == 200 and body:match(pattern)
  if token then keep(token) else bad = bad + 1 end
end

dofile(os.getenv("SUMMARY"))
