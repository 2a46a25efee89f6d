-- check.lua -- tries what the module can do; ends with "all as it should be".
--
--     capri-lua --cpus 2 check.lua
--     lua5.4 check.lua                with package.cpath leading to capri.so, CAPRI_CAPABILITIES=2

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

check("coroutines run, sleep, and are joined", function()
    local order = {}
    local first = capri.spawn(function(a, b)
        capri.sleep(0.02)
        order[#order + 1] = a + b
    end, 1, 2)
    local second = capri.spawn(function() order[#order + 1] = "second" end)
    assert(first:join() and second:join())
    assert(order[1] == "second" and order[2] == 3)
end)

check("a thousand coroutines", function()
    local done, all = 0, {}
    for i = 1, 1000 do
        all[i] = capri.spawn(function()
            capri.sleep(i % 7 / 1000)
            done = done + 1
        end)
    end
    for _, one in ipairs(all) do assert(one:join()) end
    assert(done == 1000)
end)

check("what waits is kept from the collector", function()
    local channel, got = capri.channel(), 0
    for i = 1, 50 do
        capri.spawn(function(channel)
            local text = ("x"):rep(i)
            capri.sleep(0.01)
            channel:send(#text)
        end, channel)
    end
    for _ = 1, 5 do
        collectgarbage()
        capri.sleep(0.001)
    end
    for _ = 1, 50 do got = got + channel:receive() end
    assert(got == 50 * 51 // 2)
end)

check("an error ends one coroutine, with a traceback", function()
    local function inner() error("deliberate") end
    local ok, why = capri.spawn(function() inner() end):join()
    assert(ok == nil and why:find("deliberate"), why)
end)

check("a value that is no string is an error like any other", function()
    local ok, why = capri.spawn(function()
        error(setmetatable({}, {__tostring = function() return "deliberate, too" end}))
    end):join()
    assert(ok == nil and why == "deliberate, too", why)
end)

check("kill ends a wait, and can be caught", function()
    local caught
    local one = capri.spawn(function() capri.sleep(3600) end)
    local two = capri.spawn(function()
        local ok, why = pcall(capri.sleep, 3600)
        caught = why
        capri.sleep(0.001)
    end)
    capri.sleep(0.001)
    one:kill()
    two:kill()
    local ok, why = one:join()
    assert(ok == nil and why == "interrupted")
    assert(two:join() and caught == "interrupted")
end)

check("a killed coroutine closes its variables", function()
    local closed = false
    local one = capri.spawn(function()
        local guard <close> = setmetatable({}, {__close = function() closed = true end})
        capri.sleep(3600)
    end)
    capri.sleep(0.001)
    one:kill()
    one:join()
    assert(closed)
end)

check("kill ends a loop that never waits", function()
    if capri.cpus() < 2 then return end
    local one = capri.spawn_on(capri.cpus(), function() while true do end end)
    capri.sleep(0.05)
    one:kill()
    local ok, why = one:join()
    assert(ok == nil and why == "interrupted")
end)

check("an endless loop elsewhere stops nobody here", function()
    if capri.cpus() < 2 then return end
    local channel, here = capri.channel(), capri.cpu()
    local loop = capri.spawn_on(here % capri.cpus() + 1, function(channel)
        channel:send("begun")
        while true do end
    end, channel)
    assert(channel:receive() == "begun")
    local listener = assert(capri.listen("127.0.0.1", 0))
    local server = capri.spawn(function()
        local socket = assert(listener:accept())
        for _ = 1, 100 do socket:write(socket:read("L")) end
        socket:close()
    end)
    local client = assert(capri.connect("127.0.0.1", listener:port()))
    for i = 1, 100 do
        client:write("line ", i, "\n")
        assert(client:read("l") == "line " .. i)
    end
    assert(server:join())
    loop:kill()
    loop:join()
end)

check("limits of time", function()
    local ok, why = capri.timeout(0.01, capri.sleep, 3600)
    assert(ok == nil and why == "timeout")
    assert(select("#", capri.timeout(3600, function(...) return ... end, 1, nil, 3)) == 4)
    ok, why = capri.timeout(3600, capri.timeout, 0.01, capri.sleep, 3600)
    assert(ok == true and why == nil)
    ok, why = capri.timeout(0.01, capri.timeout, 3600, capri.sleep, 3600)
    assert(ok == nil and why == "timeout")
    ok, why = capri.timeout(0.01, function() while true do end end)
    assert(ok == nil and why == "timeout")
    fails("deliberate", capri.timeout, 3600, error, "deliberate")
    capri.sleep(0.02) -- none holds any more
end)

check("channels", function()
    local channel = capri.channel(2)
    local sender = capri.spawn(function()
        for i = 1, 10 do channel:send(i, i * i) end
        channel:close()
    end)
    for i = 1, 10 do
        local a, b = channel:receive()
        assert(a == i and b == i * i)
    end
    local value, why = channel:receive()
    assert(value == nil and why == "closed" and sender:join())
    fails("closed", channel.send, channel, 1)
    local full = capri.channel(1)
    assert(full:offer(1) and not full:offer(2))
end)

check("channels between states", function()
    local there, back = capri.channel(3), capri.channel(3)
    local offset = 1000
    local worker = capri.spawn_on(capri.cpus(), function(there, back)
        for number, text in there.receive, there do
            back:send(number + offset, {number, text = text})
        end
        back:close()
    end, there, back)
    capri.spawn(function()
        for i = 1, 200 do there:send(i, "message " .. i) end
        there:close()
    end)
    for i = 1, 200 do
        local number, about = back:receive()
        assert(number == i + 1000 and about.text == "message " .. i and about[1] == i)
    end
    assert(back:receive() == nil and worker:join())
end)

check("what is copied", function()
    local channel = capri.channel()
    local function again(value)
        channel:send(value)
        return channel:receive()
    end
    assert(again(nil) == nil and again(true) == true and again(false) == false)
    assert(math.type(again(3)) == "integer" and math.type(again(3.0)) == "float")
    assert(again("a\0b") == "a\0b" and again(math.huge) == math.huge)
    local ring = {1, 2, key = {}}
    ring.key.back = ring
    local copy = again(ring)
    assert(copy ~= ring and copy[2] == 2 and copy.key.back == copy)
    local function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
    assert(again(factorial)(10) == 3628800)
    assert(again(string.format) == string.format and again(print) == print)
    assert(again(channel) ~= nil)
    fails("metatable", again, setmetatable({}, {}))
    fails("stays in its state", again, coroutine.create(print))
    fails("stays in its state", again, io.stdout)
    local deep = {}
    for _ = 1, 10000 do deep = {deep} end
    fails("tables in tables", again, deep)
end)

check("select", function()
    local a, b = capri.channel(), capri.channel()
    assert(capri.select(a, b, 0.001) == 3)
    b:send("from b")
    local which, value = capri.select(a, b, 3600)
    assert(which == 2 and value == "from b")
    a:close()
    which, value = capri.select(a, b)
    assert(which == 1 and value == nil)
    local full = capri.channel(1)
    assert(capri.select({full, "x"}, b) == 1 and capri.select({full, "y"}, 0.001) == 2)
    assert(full:receive() == "x")
    local one = capri.spawn(capri.sleep, 0.001)
    assert(capri.select(b, one) == 2)
    local killed = capri.spawn(function() capri.select({full, "never"}, {full, "neither"}) end)
    full:send("it is full")
    capri.sleep(0.001)
    killed:kill()
    killed:join()
end)

check("select and sockets", function()
    local listener = assert(capri.listen("127.0.0.1", 0))
    local never = capri.channel()
    local client = assert(capri.connect("127.0.0.1", listener:port()))
    assert(capri.select(never, listener) == 2)
    local server = assert(listener:accept())
    assert(capri.select(never, server, 0.001) == 3)
    client:write("one\ntwo\n")
    assert(capri.select(never, server) == 2)
    assert(server:read("l") == "one")
    assert(capri.select(never, server) == 2) -- it is received, though not read
    assert(server:read("l") == "two")
end)

local function pair()
    local listener <close> = assert(capri.listen("127.0.0.1", 0))
    local client = assert(capri.connect("127.0.0.1", listener:port()))
    return client, assert(listener:accept())
end

check("reading", function()
    local client, server = pair()
    client:write("first\r\nsecond\nthird\n", 12345, "rest")
    assert(server:read("l") == "first" and server:read("L") == "second\n")
    assert(server:read_until("d\n") == "third\n" and server:read(5) == "12345")
    client:shutdown()
    assert(server:read("a") == "rest" and server:read("a") == "" and server:read() == nil)
    local result, why, number = server:read_until("x", 0x100)
    assert(result == nil)
    server:close()
    fails("closed", server.read, server)
end)

check("much is written and read", function()
    local client, server = pair()
    local text = ("0123456789abcdef"):rep(256 * 1024)
    local writer = capri.spawn(function()
        assert(client:write(text))
        client:close()
    end)
    assert(server:read("a") == text and writer:join())
    local long, other = pair()
    local _, why = capri.timeout(5, function()
        capri.spawn(function() for _ = 1, 100 do long:write(("x"):rep(1000)) end end)
        return other:read_until("y", 5000)
    end)
    assert(why == nil)
end)

check("a socket that is collected is closed", function()
    local client, server = pair()
    client = nil
    collectgarbage()
    collectgarbage()
    assert(server:read() == nil)
end)

check("closing ends a wait", function()
    local client, server = pair()
    local result, why
    local reader = capri.spawn(function() result, why = server:read() end)
    capri.sleep(0.001)
    server:close()
    assert(reader:join() and result == nil and why ~= nil)
end)

check("nobody listens there", function()
    local listener = assert(capri.listen("127.0.0.1", 0))
    local port = listener:port()
    listener:close()
    local socket, why, number = capri.connect("127.0.0.1", port)
    assert(socket == nil and type(why) == "string" and number > 0)
    listener = assert(capri.listen("localhost", 0))
    local client = assert(capri.connect("localhost", listener:port())) -- a name: looked up
    client:close()
    assert(capri.listen("127.0.0.1", listener:port()) == nil)
end)

check("generators that wait", function()
    local function numbers(most)
        return coroutine.wrap(function()
            for i = 1, most do
                capri.sleep(0.001)
                coroutine.yield(i)
            end
        end)
    end
    local sum, other = 0, 0
    local beside = capri.spawn(function() for i in numbers(5) do other = other + i end end)
    for i in numbers(5) do sum = sum + i end
    assert(beside:join() and sum == 15 and other == 15)
    local inner = coroutine.create(function() capri.sleep(0.001) error("deliberate") end)
    local ok, why = coroutine.resume(inner)
    assert(not ok and why:find("deliberate"))
    assert(coroutine.resume(inner) == false)
    local loop = coroutine.wrap(function() while true do end end)
    ok, why = capri.timeout(0.01, loop)
    assert(ok == nil and why == "timeout", why)
end)

check("who never has to wait gives way", function()
    local channel, client, server = capri.channel(1), pair()
    local function inner(fn)
        return function() coroutine.wrap(fn)() end
    end
    local function exchange()
        assert(channel:offer("it") and not channel:offer("no") and channel:receive() == "it")
    end
    local function choose()
        assert(capri.select({channel, "it"}) == 1 and select(2, capri.select(channel)) == "it")
    end
    local function talk()
        assert(client:write("one\ntwo\n") == client and server:read("l") == "one")
        assert(server:read_until("\n") == "two\n")
    end
    for _, fn in ipairs {exchange, choose, talk, inner(exchange), inner(inner(talk))} do
        local slept, last = false, capri.now() + 5
        local sleeper = capri.spawn(function() capri.sleep(0.001) slept = true end)
        while not slept and capri.now() < last do fn() end
        assert(slept and sleeper:join())
    end
    local loop = capri.spawn_on(capri.cpus(), inner(function()
        while true do exchange() end
    end))
    capri.sleep(0.05)
    loop:kill()
    local _, why = loop:join()
    assert(why == "interrupted", why)
    local ok
    ok, why = capri.timeout(0.05, inner(function() while true do talk() end end))
    assert(ok == nil and why == "timeout", why)
end)

check("a hook of the script's own stays", function()
    local count = 0
    local function hook() count = count + 1 end
    local function loop(seconds)
        local last = capri.now() + seconds
        debug.sethook(hook, "", 1000)
        while capri.now() < last do end
    end
    local function stays()
        local own, _, every = debug.gethook()
        debug.sethook()
        return own == hook and every == 1000 and count > 0
    end
    loop(0.05)
    assert(stays())
    local ok, why = capri.timeout(0.01, loop, 3600)
    assert(ok == nil and why == "timeout" and stays())
    coroutine.wrap(function()
        loop(0.03)
        coroutine.wrap(function() loop(0.03) assert(stays()) end)()
        assert(stays())
    end)()
end)

check("no wait where Lua cannot leave", function()
    local function less(a, b)
        capri.sleep(0.001)
        return a < b
    end
    fails("cannot wait", table.sort, {3, 2, 1}, less)
    fails("cannot wait", table.sort, {3, 2, 1}, coroutine.wrap(function(a, b)
        while true do a, b = coroutine.yield(less(a, b)) end
    end))
    capri.sleep(0.001)
end)

check("calls off the core", function()
    assert(capri.call(function(a, b) return a + b end, 40, 2) == 42)
    local ok, kind, code = capri.call(os.execute, "exit 3")
    assert(ok == nil and kind == "exit" and code == 3)
    fails("deliberate", capri.call, function() error("deliberate") end)
    local answer = capri.channel()
    local slow = capri.spawn(function() capri.call(os.execute, "sleep 1") end)
    local quick = capri.spawn(function() answer:send(capri.call(os.getenv, "PATH")) end)
    assert(capri.select(slow, answer) == 2 and quick:join())
    slow:kill() -- it leaves; the call goes on to its end
    local _, why = slow:join()
    assert(why == "interrupted")
end)

local function run()
    for _, one in ipairs(checks) do
        local begun = capri.now()
        one.fn()
        collectgarbage()
        print(("%-50s %.3f s"):format(one.name, capri.now() - begun))
    end
    print("all as it should be")
end

if capri.cpus() > 0 then
    run()
else
    fails("no coroutine", capri.sleep, 0)
    assert(capri.run(run))
    local ok, why = capri.run(error, "deliberate: the first one")
    assert(ok == nil and why:find("died"))
    assert(capri.run(capri.sleep, 0.001)) -- again
end
