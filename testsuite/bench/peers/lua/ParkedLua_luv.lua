-- ParkedLua_luv.lua -- row 45: memory of coroutines that sleep, each by a timer of its own.

local uv = require "luv"

local COUNT, HOUR_MS = 100000, 3600 * 1000
local parked = 0

local function memory()
    for line in io.lines("/proc/self/status") do
        local kib = line:match("^VmRSS:%s+(%d+) kB")
        if kib then
            return kib * 1024
        end
    end
end

local function sleep(ms)
    local timer, self = uv.new_timer(), coroutine.running()
    timer:start(ms, 0, function()
        timer:close()
        assert(coroutine.resume(self))
    end)
    coroutine.yield()
end

local function park()
    parked = parked + 1
    sleep(HOUR_MS)
end

collectgarbage()
local before = memory()
for _ = 1, COUNT do
    assert(coroutine.resume(coroutine.create(park)))
end
uv.run("nowait")
assert(parked == COUNT)
collectgarbage()
collectgarbage()
print(("sleep_rss %.1f B"):format((memory() - before) / COUNT))
io.stdout:flush()
os.exit(true)
