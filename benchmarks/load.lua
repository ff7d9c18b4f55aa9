-- What wrk sends, how long a connection rests between requests, and one line of JSON with the figures.
wrk.method = os.getenv("LOAD_METHOD") or "GET"
local body = os.getenv("LOAD_BODY") or ""
if body ~= "" then
  wrk.body = body
  wrk.headers["Content-Type"] = "application/json"
end

-- Only where asked for: wrk calls Lua for every request once this function exists.
local rest = tonumber(os.getenv("LOAD_REST_MS") or "0")
if rest > 0 then
  local whole = math.floor(rest)
  local part = rest - whole
  function delay()
    return math.random() < part and whole + 1 or whole
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nLOAD {"seconds": %.6f, "requests": %d, "refused": %d, "broken": %d, "p50": %.3f, "p90": %.3f, "p99": %.3f, "max": %.3f}\n',
    summary.duration / 1e6, summary.requests, errors.status, errors.connect + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
