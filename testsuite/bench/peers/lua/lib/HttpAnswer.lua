-- HttpAnswer.lua -- what the peers of row 43 answer: docs/examples/lua/http.lua's looks at a request,
-- line by line, so that a peer is told from it by its sockets alone.
--
--     local answer = dofile(HttpAnswer.lua)
--     local bytes, stays = answer(request)        stays: another request may follow

local body = "<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each " ..
    "connection, written as if every call blocked. None of them ever does.\n"
local head = "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n%s\r\n"
local closing, staying = "Connection: close\r\n", "Connection: keep-alive\r\n"
local pages = {}
for _, connection in ipairs {"", closing, staying} do
    local bare = head:format("200 OK", #body, connection)
    pages[connection] = {GET = bare .. body, HEAD = bare}
end

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

return function(request)
    local method, minor = request:match("^(%u+) %S+ HTTP/1%.(%d)\r\n")
    local fields = request:lower()
    local kept = connectionOf(minor, fields)
    local page = pages[kept][method or ""]
    if not page or hasBody(fields) then
        return head:format(method and not page and "501 Not Implemented" or "400 Bad Request", 0,
            closing), false
    end
    return page, kept ~= closing
end
