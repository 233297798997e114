-- What wrk sends: requests made beforehand, a file of them for each kind, taken in random order or each once.
--
--   wrk ... -s load.lua URL -- SEED once|random FILE:WEIGHT ...
--
-- A file has one request a line: method, path, body, and headers as name=value, with tabs between. The last line of the output is
-- the run as JSON.

local kinds, total = {}, 0
local once, next_one = false, 0

local function read(path)
    local requests = {}
    for line in io.lines(path) do
        local method, target, body, rest = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t?(.*)$")
        local headers = {}
        for name, value in rest:gmatch("([^\t=]+)=([^\t]*)") do headers[name] = value end
        requests[#requests + 1] = wrk.format(method, target, headers, body ~= "" and body or nil)
    end
    return requests
end

function init(args)
    math.randomseed(tonumber(args[1]))
    once = args[2] == "once"
    for place = 3, #args do
        local path, weight = args[place]:match("^(.*):(%d+)$")
        total = total + tonumber(weight)
        kinds[#kinds + 1] = {below = total, requests = read(path)}
    end
end

function request()
    if once then
        next_one = next_one + 1
        return kinds[1].requests[next_one] or kinds[1].requests[1]
    end
    local place, pick = 1, math.random(total)
    while pick > kinds[place].below do place = place + 1 end
    local requests = kinds[place].requests
    return requests[math.random(#requests)]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
