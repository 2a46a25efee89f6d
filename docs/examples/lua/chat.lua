-- chat.lua -- a room: what one says is told to all.   telnet 127.0.0.1 7008; the first line: a name
--
--     capri-lua chat.lua [port]
--
-- Two coroutines for each connection, one that reads and one that writes: whoever speaks waits for
-- nobody's network.  All of them are in one state, so what they share is a plain table.

local capri = require "capri"

local members = {} -- channel of lines -> name

local function tell(line)
    local there = {}
    for lines in pairs(members) do
        there[#there + 1] = lines
    end
    for _, lines in ipairs(there) do -- offer may let others run, who come and go
        if members[lines] and not lines:offer(line) then -- it does not read what it is sent
            members[lines] = nil
            lines:close()
        end
    end
end

local function deliver(socket, lines)
    for line in lines.receive, lines do
        if not socket:write(line, "\r\n") then
            break
        end
    end
    socket:shutdown()
end

local function converse(socket, lines)
    local name = socket:read("l")
    if not name or name == "" then
        return
    end
    members[lines] = name
    tell("* " .. name .. " is here")
    local line = socket:read("l")
    while line do
        tell(name .. ": " .. line)
        coroutine.yield() -- to those who deliver it: the next line may be here already
        line = socket:read("l")
    end
    tell("* " .. name .. " has left")
end

local function serve(connection)
    local socket <close> = connection
    local lines = capri.channel(100)
    local writer = capri.spawn(deliver, socket, lines)
    local ok, why = pcall(converse, socket, lines)
    members[lines] = nil
    if why == "interrupted" then
        socket:write("* the room is closing\r\n") -- there is time to say so
    end
    lines:close()
    writer:join()
    assert(ok or why == "interrupted", why)
end

local listener = assert(capri.listen("127.0.0.1", math.tointeger(tonumber((...) or 7008))))
print("chat on 127.0.0.1:" .. listener:port())
io.stdout:flush()
while true do
    local socket = listener:accept()
    if socket then
        capri.spawn(serve, socket)
    else
        capri.sleep(0.01)
    end
end
