-- HttpLua_cqueues.lua -- rows 43 and 44: docs/examples/lua/http.lua on cqueues, whose coroutines read
-- like blocking code, too.
--
-- A process on each core (Listeners), which shares the port by SO_REUSEPORT: cqueues can set that
-- itself.  Requests are read as they come, in pieces of any size; answers are not buffered.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local REQUEST_MOST = 8192

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

-- The answer, and whether another request may follow.
local function answer(request)
    local method, minor = request:match("^(%u+) %S+ HTTP/1%.(%d)\r\n")
    local keep = minor == "1" and not says(request, "close")
        or minor == "0" and says(request, "[Kk]eep%-[Aa]live")
    if method == "GET" then
        return keep and page or last_page, keep
    elseif method == "HEAD" then
        return bare_page, keep
    end
    return nonsense, false
end

local function converse(client)
    local kept = ""
    while #kept < REQUEST_MOST do
        local text = client:read(-REQUEST_MOST)
        if not text then
            return
        end
        text = kept == "" and text or kept .. text
        local from = 1
        while true do
            local _, to = text:find("\r\n\r\n", from, true)
            if not to then
                break
            end
            local bytes, keep = answer(from == 1 and to == #text and text or text:sub(from, to))
            if not client:write(bytes) or not keep then
                return
            end
            from = to + 1
        end
        kept = text:sub(from)
    end
end

local function give_error(_, _, why)
    return why
end

local loop = cqueues.new()

local function serve(client)
    client:setmode("b", "bn")
    client:onerror(give_error)
    converse(client)
    client:close()
end

local port
for i = 1, #arg - 1 do
    port = arg[i] == "--port" and arg[i + 1] or port
end
local listener = assert(socket.listen {
    host = "127.0.0.1", port = tonumber(port), reuseaddr = true, reuseport = true, nodelay = true,
})
assert(listener:listen())
loop:wrap(function()
    for client in listener:clients() do
        loop:wrap(serve, client)
    end
end)
assert(loop:loop())
