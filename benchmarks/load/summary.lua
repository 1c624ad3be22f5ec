-- Sends each thread to its own one of PORTS, with PAUSE milliseconds between requests. Prints what wrk found as one line
-- of JSON, the last of its output. Times are microseconds.

local threads, ports, pause = {}, {}, tonumber(os.getenv("PAUSE"))

for port in os.getenv("PORTS"):gmatch("%d+") do ports[#ports + 1] = port end

function setup(thread)
  threads[#threads + 1] = thread
  thread.addr = wrk.lookup("127.0.0.1", ports[#threads])[1]
end

if pause > 0 then
  function delay() return pause end
end

function done(summary, latency, requests)
  local errors, bad = summary.errors, 0
  for _, thread in ipairs(threads) do bad = bad + (thread:get("bad") or 0) end
  local format = '\n{"requests": %d, "duration": %d, "p50": %d, "p99": %d, "worst": %d, "connect": %d, "read": %d, '
    .. '"write": %d, "timeout": %d, "status": %d, "bad": %d}\n'
  io.write(string.format(format, summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency.max, errors.connect, errors.read, errors.write, errors.timeout, errors.status, bad))
end
