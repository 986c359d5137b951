-- The requests of a file, one after the other: each line has a path and its Authorization header.
-- At the end what was measured is said in one line of JSON; times are microseconds.
local requests, last = {}, 0
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, authorization = line:match("^(.-)\t(.*)$")
    requests[#requests + 1] = wrk.format("GET", path, { Authorization = authorization })
  end
  last = number * 997 % #requests  -- the threads don't ask for the same at once
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration":%d,"p50":%d,"p99":%d,"statuses":%d,"failures":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
