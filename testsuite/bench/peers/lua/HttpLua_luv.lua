-- HttpLua_luv.lua -- rows 43 and 44: docs/examples/lua/http.lua on luv, by callbacks.
--
-- luv has one loop a process and cannot set SO_REUSEPORT, so Listeners starts a process on each
-- core and gives it a listener of its own as fd 3.  A connection has one callback; what comes in one
-- piece is not copied, and answers are sent at once (try_write): only what the socket does not take
-- waits in a write request.

local uv = require "luv"

local LISTENER, BACKLOG, REQUEST_MOST = 3, 1024, 8192

local answer = dofile(arg[0]:match("^(.*/)") .. "lib/HttpAnswer.lua")

local function close(socket)
    if not socket:is_closing() then
        socket:close()
    end
end

local function send(socket, text, keep)
    local sent = socket:try_write(text) or 0
    if sent < #text then
        socket:write(text:sub(sent + 1), function(failed)
            if failed or not keep then
                close(socket)
            end
        end)
    elseif not keep then
        close(socket)
    end
end

local function serve(socket)
    local kept -- of a request whose end has not come yet
    socket:read_start(function(failed, text)
        if failed or not text then
            return close(socket)
        end
        if kept then
            text, kept = kept .. text, nil
        end
        local from = 1
        while from <= #text do
            local _, to = text:find("\r\n\r\n", from, true)
            if not to then
                kept = text:sub(from)
                if #kept >= REQUEST_MOST then
                    close(socket)
                end
                return
            end
            local whole = from == 1 and to == #text
            local bytes, keep = answer(whole and text or text:sub(from, to))
            send(socket, bytes, keep)
            if not keep then
                socket:read_stop()
                return
            end
            from = to + 1
        end
    end)
end

local listener = uv.new_tcp()
assert(listener:open(LISTENER))
assert(listener:listen(BACKLOG, function(failed)
    local socket = uv.new_tcp()
    if not failed and listener:accept(socket) then
        serve(socket)
    else
        close(socket)
    end
end))
uv.run()
