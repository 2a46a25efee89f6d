-- sleepsort.lua -- each number sleeps for as long as it is, and comes out after the smaller ones.
--
--     capri-lua sleepsort.lua 30 10 20

local capri = require "capri"

local numbers, sorted = {...}, capri.channel()

for _, number in ipairs(numbers) do
    capri.spawn(function()
        capri.sleep(number / 100)
        sorted:send(number)
    end)
end
for _ = 1, #numbers do
    print((sorted:receive()))
end
