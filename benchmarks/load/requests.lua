-- Sends one request for each line of LINES: the line goes where PREFIX and SUFFIX leave a gap, which is the bearer
-- token of a GET or the whole body of a POST. ORDER is `random`, or `next`: one after the other from line START on.

local requests, next_one = {}, 0
local order = os.getenv("ORDER")

function init(args)
  local method, path, content_type = os.getenv("METHOD"), os.getenv("TARGET"), os.getenv("CONTENT_TYPE")
  local lines = os.getenv("LINES")
  if not lines then
    requests[1] = wrk.format(method, path)
    return
  end
  for line in io.lines(lines) do
    if method == "GET" then
      requests[#requests + 1] = wrk.format(method, path, {["Host"] = wrk.headers["Host"], ["Authorization"] = "Bearer " .. line})
    else
      local headers = {["Host"] = wrk.headers["Host"], ["Content-Type"] = content_type}
      if os.getenv("FORWARDED") ~= "" then
        headers["X-Forwarded-For"] = "203.0." .. math.floor(#requests / 256) % 256 .. "." .. #requests % 256
      end
      requests[#requests + 1] = wrk.format(method, path, headers, line)
    end
  end
  next_one = tonumber(os.getenv("START")) % #requests
  math.randomseed(7)
end

function request()
  if order == "random" then
    return requests[math.random(#requests)]
  end
  next_one = next_one % #requests + 1
  return requests[next_one]
end

dofile(os.getenv("SUMMARY"))
