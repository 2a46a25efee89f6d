-- HttpLua_cqueues.lua -- rows 43 and 44: docs/examples/lua/http.lua on cqueues, whose coroutines read
-- like blocking code, too.
--
-- A process on each core (Listeners), which shares the port by SO_REUSEPORT: cqueues can set that
-- itself.  Requests are read as they come, in pieces of any size; answers are not buffered.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local REQUEST_MOST = 8192

local answer = dofile(arg[0]:match("^(.*/)") .. "lib/HttpAnswer.lua")

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
