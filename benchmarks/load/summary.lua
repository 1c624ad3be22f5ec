-- Prints what wrk found as one line of JSON, the last of its output. Times are microseconds.

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done(summary, latency, requests)
  local errors, bad = summary.errors, 0
  for _, thread in ipairs(threads) do bad = bad + (thread:get("bad") or 0) end
  local format = '\n{"requests": %d, "duration": %d, "p50": %d, "p99": %d, "worst": %d, "connect": %d, "read": %d, '
    .. '"write": %d, "timeout": %d, "status": %d, "bad": %d}\n'
  io.write(string.format(format, summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency.max, errors.connect, errors.read, errors.write, errors.timeout, errors.status, bad))
end
