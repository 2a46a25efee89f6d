-- ParkedLua.lua -- row 45: memory of coroutines that sleep.
--
--     capri-lua --cpus 1 ParkedLua.lua --cores 1

local capri = require "capri"

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
    capri.sleep(HOUR_S)
end

collectgarbage()
local before = memory()
for _ = 1, COUNT do
    capri.spawn(park)
end
while parked < COUNT do
    capri.sleep(0.001)
end
collectgarbage()
collectgarbage()
print(("sleep_rss %.1f B"):format((memory() - before) / COUNT))
io.stdout:flush()
os.exit(true)
