-- Sends the requests of a file, one a line, each once (or round and round, with "wrap").
--   wrk ... -s load.lua URL -- FILE METHOD PATH HEADER [wrap]
-- A line is the value of HEADER, then a tab and the body if there is one. A thread takes every n-th
-- line. When its lines are used up it asks without a payment, which a gate refuses: the run tells.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
  for _, one in ipairs(threads) do one:set("of", #threads) end
end

function init(args)
  requests, at, wrap = {}, 0, args[5] == "wrap"
  method, path, header = args[2], args[3], args[4]
  bare = wrk.format(method, path)
  local index = 0
  for line in io.lines(args[1]) do
    if index % of == number then
      local value, body = line:match("^([^\t]*)\t(.*)$")
      local headers = { [header] = value or line }
      if body then headers["Content-Type"] = "application/json" end
      requests[#requests + 1] = wrk.format(method, path, headers, body)
    end
    index = index + 1
  end
end

function request()
  at = at + 1
  if wrap and at > #requests then at = 1 end
  return requests[at] or bare
end

function done(summary, latency, _)
  local errors = summary.errors
  print(string.format(
    '\nFIGURES {"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"refused":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
