-- misuse.lua -- does what scripts should not do, or seldom do: each is an error that can be caught,
-- and none of it costs others their lives; ends with "all as it should be".
--
--     capri-lua --cpus 2 misuse.lua [NAME]      one that is named alone
--     lua5.4 misuse.lua [NAME]                  as check.lua

-- In lua5.4 these are Lua's own, as a library that was loaded before has them.
local own_resume, own_close = coroutine.resume, coroutine.close
local capri = require "capri"

local checks = {}
local function check(name, fn)
    checks[#checks + 1] = {name = name, fn = fn}
end

local function fails(text, fn, ...)
    local ok, why = pcall(fn, ...)
    assert(not ok, "this should have failed: " .. text)
    assert(tostring(why):find(text, 1, true), why)
end

local function waste()
    for _ = 1, 3 do collectgarbage() end
end

-- A coroutine of the script's own that waits in a task for a message, and both that and its end.
local function waiter()
    local channel, got = capri.channel(), {}
    local inner = coroutine.create(function() got.value = channel:receive() end)
    local outer = capri.spawn(function() got.ok, got.why = coroutine.resume(inner) end)
    capri.sleep(0.01)
    return inner, channel, got, outer
end

check("what waits is not resumed by another one", function()
    local inner, channel, got, outer = waiter()
    local ok, why = coroutine.resume(inner)
    assert(ok == false and why:find("that waits"), why)
    channel:send("for the first")
    assert(outer:join() and got.ok == true and got.value == "for the first")
end)

check("what waits is not closed by another one", function()
    local inner, channel, got, outer = waiter()
    fails("that waits", coroutine.close, inner)
    waste()
    channel:send("for the first")
    assert(outer:join() and got.ok == true and got.value == "for the first")
    assert(coroutine.close(inner) == true) -- it is dead now
    local thread
    local spawned = capri.spawn(function()
        thread = coroutine.running()
        return channel:receive()
    end)
    capri.sleep(0.01)
    fails("capri.spawn", coroutine.close, thread)
    ok, why = coroutine.resume(thread)
    assert(ok == false and why:find("capri.spawn"))
    channel:send(1)
    assert(spawned:join())
end)

check("what waits two levels deep", function()
    local channel, got = capri.channel(), nil
    local inner = coroutine.create(function() got = channel:receive() end)
    local middle = coroutine.wrap(function() coroutine.resume(inner) end)
    local outer = capri.spawn(middle)
    capri.sleep(0.01)
    assert(coroutine.resume(inner) == false)
    fails("that waits", middle)
    fails("that waits", coroutine.close, inner)
    channel:send("deep")
    assert(outer:join() and got == "deep")
end)

check("Lua's own functions resume what waits", function()
    local inner, channel, got, outer = waiter()
    local ok = own_resume(inner) -- in lua5.4 that is an error in there, and its end
    assert(ok == false)
    inner = nil
    waste()
    channel:send("for nobody, perhaps")
    assert(outer:join() and got.ok ~= nil)
end)

check("who does not have to wait does not yield to Lua's own functions", function()
    local channel, last = capri.channel(), capri.now() + 0.05
    capri.spawn(function() while capri.now() < last do coroutine.yield() end end)
    local inner = coroutine.create(function()
        while capri.now() < last do
            channel:send("it")
            assert(channel:receive() == "it")
        end
        return "done"
    end)
    local ok, what = own_resume(inner)
    assert(ok and what == "done", what)
    table.sort({2, 1}, function() -- nor where Lua cannot leave
        last = capri.now() + 0.05
        while capri.now() < last do assert(channel:offer(1) and channel:receive() == 1) end
    end)
end)

check("Lua's own functions close what waits", function()
    local inner, channel, got, outer = waiter()
    pcall(own_close, inner)
    inner = nil
    waste()
    channel:send("for nobody, perhaps")
    assert(outer:join() and got.ok ~= nil)
end)

check("Lua's own functions drop what waits", function()
    local order = capri.channel()
    local outer = capri.spawn(function()
        local channels = {}
        for i = 1, 10 do
            channels[i] = capri.channel()
            local inner = coroutine.create(function() capri.select(channels[i], {channels[i]}) end)
            own_resume(inner)
            channels[i]:send(i)
            channels[i] = nil
            inner = nil
            waste()
            pcall(capri.sleep, 0.001)
            coroutine.yield()
        end
        order:send("done")
    end)
    assert(order:receive() == "done" and outer:join())
end)

check("a call and a name that nobody waits for any more", function()
    local inner = coroutine.create(function()
        capri.call(os.execute, "sleep 0.05")
        capri.connect("localhost", 1)
    end)
    local outer = capri.spawn(function() coroutine.resume(inner) end)
    capri.sleep(0.01)
    pcall(own_close, inner)
    waste()
    assert(outer:join())
end)

check("a coroutine that resumes itself", function()
    local function itself()
        local ok, why = coroutine.resume(coroutine.running())
        return ok, why
    end
    local ok, first, second = coroutine.resume(coroutine.create(itself))
    assert(ok == true and first == false and second:find("non%-suspended"), second)
    local outer = coroutine.create(function(me)
        return coroutine.wrap(function() return coroutine.resume(me, 1, 2) end)()
    end)
    ok, first, second = coroutine.resume(outer, outer)
    assert(ok == true and first == false and second:find("non%-suspended"), second)
end)

check("handles and channels that are finalized", function()
    local old = {}
    local tries = {}
    for i = 1, 4 do -- the younger ones are finalized first
        old[i] = setmetatable({}, {__gc = function(self)
            tries[#tries + 1] = {pcall(self[i % 2 == 0 and "kill" or "join"], self.handle)}
            tries[#tries + 1] = {pcall(self.send, self.channel, 1)}
        end})
    end
    for i = 1, 4 do
        old[i].handle, old[i].channel = capri.spawn(function() end), capri.channel()
        old[i].kill, old[i].join = old[i].handle.kill, old[i].handle.join
        old[i].send = old[i].channel.send
    end
    capri.sleep(0.001)
    old = nil
    waste()
    assert(#tries == 8)
    for _, try in ipairs(tries) do assert(try[1] == false) end
    assert(getmetatable(capri.channel()) == false and getmetatable(capri.spawn(waste)) == false)
end)

check("a table to be sent that lies about its length", function()
    local channel = capri.channel()
    for _, size in ipairs {-5, 0, 1 << 31, 1 << 40} do
        local message = setmetatable({channel, "one"}, {__len = function() return size end})
        assert(capri.select(message) == 1)
        assert(select("#", channel:receive()) == 1)
    end
    fails("values", capri.select, {})
end)

check("nobody waits for himself", function()
    local handle
    local ok, why
    handle = capri.spawn(function() ok, why = pcall(capri.select, handle, 1) end)
    assert(handle:join() and ok == false and why:find("itself"), why)
end)

check("an interrupt before the first step", function()
    local there = capri.channel()
    local function spawned(...)
        local one = capri.spawn(...)
        one:kill()
        local last = capri.now() + 0.02
        while capri.now() < last do end -- somebody else may carry the kill out meanwhile
        return one
    end
    for _ = 1, 10 do
        local all = {spawned(capri.sleep, 3600), spawned(capri.select, 3600),
            spawned(there.receive, there)}
        for _, one in ipairs(all) do
            local ok, why = one:join()
            assert(ok == nil and why == "interrupted", why)
        end
        assert(spawned(pcall, capri.sleep, 3600):join())
    end
end)

check("many kills are one", function()
    local count, ready = 0, false
    local one = capri.spawn(function()
        for _ = 1, 100 do
            if not pcall(capri.sleep, ready and 0.001 or 3600) then count = count + 1 end
            ready = true
        end
    end)
    capri.sleep(0.001)
    for _ = 1, 1000 do one:kill() end
    assert(one:join() and count >= 1 and count <= 2, count)
end)

check("limits of time in generators", function()
    local g
    local function generate()
        capri.timeout(0.05, function()
            capri.sleep(0.001)
            coroutine.yield("inside")
            capri.sleep(0.1) -- the limit held until the yield
        end)
        capri.sleep(0.001)
        coroutine.yield("behind")
    end
    repeat
        g = coroutine.wrap(generate)
    until g() == "inside" -- in time
    capri.sleep(0.1) -- it does not hold here
    assert(g() == "behind")
    local h = coroutine.wrap(function()
        while true do
            coroutine.yield(capri.timeout(0.01, capri.sleep, 3600))
        end
    end)
    for _ = 1, 3 do assert(h() == nil) end
    assert(capri.timeout(3600, capri.sleep, 0.02) == true)
    local ok, why = capri.timeout(0.03, function()
        h()
        capri.sleep(3600)
    end)
    assert(ok == nil and why == "timeout")
    capri.sleep(0.001)
end)

check("a limit of time holds for slices", function()
    local ok, why = capri.timeout(0.05, function()
        while true do coroutine.yield() end
    end)
    assert(ok == nil and why == "timeout")
end)

check("errors that cannot be told", function()
    local function die(tostring)
        return capri.spawn(error, setmetatable({}, {__tostring = tostring})):join()
    end
    local ok, why = die(function() error "no" end)
    assert(ok == nil and why == "an error that cannot be told", why)
    ok, why = die(function() return {} end)
    assert(ok == nil and why == "an error that cannot be told", why)
    ok, why = die(function()
        capri.sleep(1)
        return "slept"
    end)
    assert(ok == nil and why == "an error that cannot be told", why)
end)

check("who dies closes what it has", function()
    local listener <close> = assert(capri.listen("127.0.0.1", 0))
    local client = assert(capri.connect("127.0.0.1", listener:port()))
    local server, slept = assert(listener:accept()), nil
    local one = capri.spawn(function()
        local guard <close> = setmetatable({}, {__close = function()
            server:write("farewell\n")
            slept = pcall(capri.sleep, 0.001)
        end})
        error("deliberate")
    end)
    assert(client:read("l") == "farewell" and one:join() == nil and slept == false)
end)

check("how much is read until a mark", function()
    local listener <close> = assert(capri.listen("127.0.0.1", 0))
    local client = assert(capri.connect("127.0.0.1", listener:port()))
    local server = assert(listener:accept())
    client:write(("x"):rep(60000), "\r\n\r\nrest")
    capri.sleep(0.01)
    for _ = 1, 2 do -- from the kernel, then from what is kept
        local head, why, number = server:read_until("\r\n\r\n", 8192)
        assert(head == nil and type(why) == "string" and number > 0)
    end
    assert(#server:read_until("\r\n\r\n", 60004) == 60004 and server:read() == "rest")
    client:write("ab")
    local all = capri.spawn(function()
        assert(server:read_until("abc") == "ababc" and server:read_until("b\n") == "b\n")
        assert(server:read("l") == "end")
    end)
    for _, text in ipairs {"a", "b", "c", "b", "\ne", "nd", "\n"} do
        capri.sleep(0.002)
        client:write(text)
    end
    assert(all:join())
end)

local function run(name)
    for _, one in ipairs(checks) do
        if name == nil or one.name == name then
            one.fn()
            waste()
            print(one.name)
        end
    end
    print("all as it should be")
end

if capri.cpus() > 0 then
    run((...))
else
    assert(capri.run(run, (...)))
end
