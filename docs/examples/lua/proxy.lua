-- proxy.lua -- whatever is said to one port is passed on to another, and the answers back.
--
--     capri-lua proxy.lua port to_port [to_host]

local capri = require "capri"

local port, to_port, to_host = ...
port, to_port = math.tointeger(tonumber(port)), math.tointeger(tonumber(to_port))
if not port or not to_port then
    io.stderr:write("usage: capri-lua proxy.lua port to_port [to_host]\n")
    os.exit(2)
end
to_host = to_host or "127.0.0.1"

-- All that comes from one end goes to the other; then its end, too.
local function pump(from, to)
    repeat
        local text = from:read()
    until not text or not to:write(text)
    to:shutdown()
end

local function serve(connection)
    local client <close> = connection
    local answer, why = capri.connect(to_host, to_port)
    if not answer then
        io.stderr:write("proxy: ", why, "\n")
        return
    end
    local server <close> = answer
    local back = capri.spawn(pump, server, client)
    pump(client, server)
    back:join()
end

local listener = assert(capri.listen("127.0.0.1", port))
print("proxy on 127.0.0.1:" .. listener:port())
io.stdout:flush()
while true do
    local client = listener:accept()
    if client then
        capri.spawn(serve, client)
    else
        capri.sleep(0.01)
    end
end
