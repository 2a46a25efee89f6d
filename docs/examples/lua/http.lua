-- http.lua -- an HTTP/1.1 server over all cores: a state on each, a coroutine for each connection.
--
--     capri-lua http.lua [port [host]]        127.0.0.1:8080 if nothing is said; port 0: any
--
-- Each state listens itself (SO_REUSEPORT) and serves what the kernel gives it.

local capri = require "capri"

local body = "<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each " ..
    "connection, written as if every call blocked. None of them ever does.\n"
local head = "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n%s\r\n"
local page = head:format("200 OK", #body, "") .. body
local last_page = head:format("200 OK", #body, "Connection: close\r\n") .. body
local bare_page = head:format("200 OK", #body, "")
local nonsense = head:format("400 Bad Request", 0, "Connection: close\r\n")

-- Does its field Connection say this?  Most requests have none: a plain look is enough.
local function says(request, what)
    return request:find("onnection:", 1, true) and request:find("\r\n[Cc]onnection: *" .. what)
end

-- One connection, request by request.
local function serve(connection)
    local socket <close> = connection
    while true do
        local request = socket:read_until("\r\n\r\n", 8192)
        if request == nil then
            return
        end
        local method, minor = request:match("^(%u+) %S+ HTTP/1%.(%d)\r\n")
        local keep = minor == "1" and not says(request, "close")
            or minor == "0" and says(request, "[Kk]eep%-[Aa]live")
        if method == "GET" then
            socket:write(keep and page or last_page)
        elseif method == "HEAD" then
            socket:write(bare_page)
        else
            socket:write(nonsense)
            return
        end
        if not keep then
            return
        end
    end
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
