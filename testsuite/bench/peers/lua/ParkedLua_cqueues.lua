-- ParkedLua_cqueues.lua -- row 45: memory of coroutines that sleep in one controller.

local cqueues = require "cqueues"

local COUNT, HOUR_S = 100000, 3600
local parked = 0

local function memory()
    for line in io.lines("/proc/self/status") do
        local kib = line:match("^VmRSS:%s+(%d+) kB")
        if kib then
            return kib * 1024
        end
    end
end

local function park()
    parked = parked + 1
    cqueues.sleep(HOUR_S)
end

collectgarbage()
local before = memory()
local loop = cqueues.new()
for _ = 1, COUNT do
    loop:wrap(park)
end
assert(loop:step(0))
assert(parked == COUNT)
collectgarbage()
collectgarbage()
print(("sleep_rss %.1f B"):format((memory() - before) / COUNT))
io.stdout:flush()
os.exit(true)
