-- http.lua -- an HTTP/1.1 server over all cores: a state on each, a coroutine for each connection.
--
--     capri-lua http.lua [port [host]]        127.0.0.1:8080 if nothing is said; port 0: any
--
-- Each state listens itself (SO_REUSEPORT) and serves what the kernel gives it.

local capri = require "capri"

local body = "<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each " ..
    "connection, written as if every call blocked. None of them ever does.\n"
local head = "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n%s\r\n"
local closing, staying = "Connection: close\r\n", "Connection: keep-alive\r\n"
local pages = {} -- by what they say of the connection, and method
for _, connection in ipairs {"", closing, staying} do
    local bare = head:format("200 OK", #body, connection)
    pages[connection] = {GET = bare .. body, HEAD = bare}
end

-- What becomes of the connection; fields: the request in lower case.  Most have no such field: a
-- plain look is enough.
local function connectionOf(minor, fields)
    local wish = fields:find("connection:", 1, true) and fields:match("\r\nconnection:([^\r]*)") or ""
    if minor == "0" then
        return wish:find("keep-alive", 1, true) and staying or closing
    end
    return wish:find("close", 1, true) and closing or ""
end

local function hasBody(fields)
    return fields:find("transfer-encoding:", 1, true) or fields:find("content-length:", 1, true)
        and not fields:find("\r\ncontent%-length:%s*0+%s*\r\n")
end

-- What still comes is read for a second: closing before would take the answer back.
local function refuse(socket, status)
    socket:write(head:format(status, 0, closing))
    socket:shutdown()
    capri.timeout(1, function()
        repeat until not socket:read()
    end)
end

-- One connection, request by request.
local function serve(connection)
    local socket <close> = connection
    local kept
    repeat
        local request, why = socket:read_until("\r\n\r\n", 8192)
        if not request then
            return why and refuse(socket, "431 Request Header Fields Too Large")
        end
        local method, minor = request:match("^(%u+) %S+ HTTP/1%.(%d)\r\n")
        local fields = request:lower()
        kept = connectionOf(minor, fields)
        local page = pages[kept][method or ""]
        if not page or hasBody(fields) then
            return refuse(socket, method and not page and "501 Not Implemented" or "400 Bad Request")
        end
        socket:write(page)
    until kept == closing
end

local function accept(listener)
    while true do
        local socket = listener:accept()
        if socket then
            capri.spawn(serve, socket)
        else
            capri.sleep(0.01) -- out of descriptors, say: those that are there go on
        end
    end
end

local function listen(host, port)
    accept(assert(capri.listen(host, port, true)))
end

local port, host = math.tointeger(tonumber((...) or 8080)), select(2, ...) or "127.0.0.1"
local listener = assert(capri.listen(host, port, true))
for cpu = 2, capri.cpus() do
    capri.spawn_on(cpu, listen, host, listener:port())
end
print(("http on %s:%d, %d states"):format(host, listener:port(), capri.cpus()))
io.stdout:flush()
accept(listener)
