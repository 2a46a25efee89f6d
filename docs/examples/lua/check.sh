#!/bin/bash
# check.sh PROGRAM [MODULE_FOLDER] -- tries capri-lua and its scripts, and the module in a stock
# lua5.4; exits with 0 if all is as it should be.
set -u
program=$1
module=${2-}
. "$(dirname "$0")/try.sh"

# ---- one script that ends

"$program" --cpus 2 "$scripts/check.lua" >"$folder/out" 2>"$folder/err" ||
    complain "check.lua has failed"
grep -q "all as it should be" "$folder/out" || complain "check.lua has not come to its end"
grep -q "deliberate" "$folder/err" || complain "an error was not reported"
grep -q "stack traceback" "$folder/err" && grep -q "in upvalue 'inner'" "$folder/err" ||
    complain "an error was reported without its traceback"
if grep -q "interrupted" "$folder/err"; then complain "a kill was reported"; fi

[ "$("$program" "$scripts/sleepsort.lua" 30 10 20 | tr '\n' ' ')" = "10 20 30 " ] ||
    complain "sleepsort"

echo 'error("deliberate")' >"$folder/dies.lua"
"$program" "$folder/dies.lua" 2>"$folder/err" && complain "a script that dies has exited with 0"
echo 'this is not Lua' >"$folder/broken.lua"
"$program" "$folder/broken.lua" 2>"$folder/err" && complain "nonsense has exited with 0"
echo 'local capri = require "capri"
capri.spawn(function() error("deliberate") end)
capri.sleep(0.01) print("goes on")' >"$folder/goes.lua"
"$program" "$folder/goes.lua" 2>"$folder/err" | grep -q "goes on" || complain "an error ended all"

# ---- what scripts should not do

"$program" --cpus 2 "$scripts/misuse.lua" >"$folder/out" 2>"$folder/err" ||
    complain "misuse.lua has failed"
grep -q "all as it should be" "$folder/out" || complain "misuse.lua has not come to its end"

echo 'local capri = require "capri"
local function wait()
    local listener = assert(capri.listen("127.0.0.1", 0))
    local client = assert(capri.connect("127.0.0.1", listener:port()))
    local function reach(fn, ...) return select(2, pcall(fn, ...)) end
    kept = setmetatable({}, {__gc = function()
        print(reach(client.read, client), reach(listener.accept, listener))
    end})
    io.stdout:flush()
end
capri.spawn_on(2, wait):join()
wait() kept = nil' >"$folder/quiet.lua"
timeout -s KILL 60 "$program" --cpus 2 "$folder/quiet.lua" >"$folder/out" 2>"$folder/err" ||
    complain "a finalizer has waited at the end"
[ "$(grep -c "no coroutine.*no coroutine" "$folder/out")" = 2 ] ||
    complain "a finalizer was not told that it cannot wait"

echo 'local capri = require "capri"
kept = {}
for i = 1, 40000 do
    kept[i] = capri.channel(1)
    kept[i]:send(i)
end' >"$folder/many.lua"
(ulimit -t 3 && exec "$program" --cpus 1 "$folder/many.lua") ||
    complain "much that is left in channels takes long to free"

echo 'local capri = require "capri"
local outer = capri.channel(1)
for _ = 1, 40000 do
    local channel = capri.channel(1)
    channel:send(outer)
    outer = channel
end
outer = nil
collectgarbage()' >"$folder/chain.lua"
(ulimit -s 1024 && exec "$program" --cpus 1 "$folder/chain.lua") ||
    complain "a channel in a channel in a channel takes too much stack to free"

# ---- servers, over all states

start http "$program" --cpus 2 "$scripts/http.lua" 0
http=$started http_port=$port
cat >"$folder/client.lua" <<'LUA'
local capri = require "capri"
local port, count = math.tointeger(tonumber((...))), tonumber((select(2, ...)))
local all = {}
for i = 1, count do
    all[i] = capri.spawn(function()
        local socket <close> = assert(capri.connect("127.0.0.1", port))
        for round = 1, 20 do
            assert(socket:write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
            local head = assert(socket:read_until("\r\n\r\n"))
            assert(head:find("^HTTP/1.1 200 OK\r\n"), head)
            local size = math.tointeger(tonumber(head:match("Content%-Length: (%d+)")))
            assert(#assert(socket:read(size)) == size)
        end
        socket:write("GET / HTTP/1.0\r\n\r\n")
        assert(socket:read("a"):find("Connection: close"))
    end)
end
for _, one in ipairs(all) do assert(one:join()) end
print("served")
LUA
"$program" --cpus 2 "$folder/client.lua" "$http_port" 40 2>"$folder/err" | grep -q served ||
    complain "http.lua has not answered"

cat >"$folder/odd.lua" <<'LUA'
local capri = require "capri"
local port = math.tointeger(tonumber((...)))
local function answers(request)
    local socket <close> = assert(capri.connect("127.0.0.1", port))
    local ok, all = capri.timeout(2, function()
        if not socket:write(request) then return "not read" end
        socket:shutdown()
        return socket:read("a") or "reset"
    end)
    return ok and all or "not closed"
end
local function expect(count, request, ...)
    local all = answers(request)
    local _, got = all:gsub("HTTP/1%.1 %d", "")
    for _, pattern in ipairs {"", ...} do
        assert(got == count and all:find(pattern), ("%q: %q"):format(request:sub(1, 80), all))
    end
end
local function more(request) -- who is not closed answers once more
    return request .. "nonsense\r\n\r\n"
end
local get, gone = "GET / HTTP/1.%d\r\n%s: %s\r\n\r\n", "\r\nConnection: close\r\n"
for _, field in ipairs {"CONNECTION", "connection", "Connection"} do
    expect(1, more(get:format(1, field, "Close")), "^HTTP/1.1 200 ", gone)
    expect(2, more(get:format(1, field, "x")), "^HTTP/1.1 200 .*HTTP/1.1 400 ")
    expect(2, more(get:format(0, field, "KEEP-Alive")), "\r\nConnection: keep%-alive\r\n.* 400 ")
end
expect(1, "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n", "^HTTP/1.1 200 .*" .. gone .. "\r\n$")
expect(1, get:format(1, "Content-Length", "18") .. "GET / HTTP/1.1\r\n\r\n", "^HTTP/1.1 400 ")
expect(2, more(get:format(1, "content-length", "0")), "^HTTP/1.1 200 ")
expect(1, more(get:format(1, "transfer-encoding", "chunked")), "^HTTP/1.1 400 ")
expect(1, get:format(1, "x", ("x"):rep(20000)), "^HTTP/1.1 431 ", gone)
expect(1, "POST / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n" .. ("x"):rep(4000000),
    "^HTTP/1.1 501 ", gone)
print("as it should be")
LUA
"$program" "$folder/odd.lua" "$http_port" 2>"$folder/err" | grep -q "as it should be" ||
    complain "http.lua has not answered an odd request"

start proxy "$program" --cpus 2 "$scripts/proxy.lua" 0 "$http_port"
"$program" --cpus 2 "$folder/client.lua" "$port" 10 2>"$folder/err" | grep -q served ||
    complain "nothing came through proxy.lua"
stop "$started" proxy.lua
"$program" "$scripts/proxy.lua" 0 2>"$folder/err" && complain "proxy.lua goes nowhere"
grep -q "usage:" "$folder/err" || complain "proxy.lua has not told its usage"
stop "$http" http.lua

start chat "$program" "$scripts/chat.lua" 0
cat >"$folder/guest.lua" <<'LUA'
local capri = require "capri"
local port = math.tointeger(tonumber((...)))
local function enter(name)
    local socket = assert(capri.connect("127.0.0.1", port))
    socket:write(name, "\n")
    assert(socket:read("l") == "* " .. name .. " is here")
    return socket
end
local anna = enter("anna")
local bert = enter("bert")
assert(anna:read("l") == "* bert is here")
anna:write("hello\n")
assert(anna:read("l") == "anna: hello" and bert:read("l") == "anna: hello")
local much = {} -- more than waits for anybody, at once
for i = 1, 300 do much[i] = i end
anna:write(table.concat(much, "\n"), "\n")
for i = 1, 300 do assert(bert:read("l") == "anna: " .. i and anna:read("l") == "anna: " .. i) end
bert:close()
assert(anna:read("l") == "* bert has left")
print("inside")
io.stdout:flush()
assert(anna:read("l") == "* the room is closing" and anna:read("l") == nil)
print("told")
LUA
: >"$folder/out.guest"
"$program" "$folder/guest.lua" "$port" >"$folder/out.guest" 2>"$folder/err.guest" &
guest=$!
until grep -q inside "$folder/out.guest"; do
    kill -0 $guest 2>/dev/null || complain "a guest of chat.lua has left early"
    sleep 0.02
done
stop "$started" chat.lua
wait $guest || complain "a guest of chat.lua was not told of the end"

# ---- SIGINT, whatever they are at

echo 'local capri = require "capri"
for cpu = 1, capri.cpus() do
    capri.spawn_on(cpu, function() capri.sleep(3600) end)
    capri.spawn_on(cpu, function() while true do pcall(capri.sleep, 3600) end end)
    capri.spawn_on(cpu, function() while true do pcall(function() while true do end end) end end)
    for _ = 1, 50 do
        capri.spawn_on(cpu, function()
            while true do
                for _ = 1, 300000 do end
                coroutine.yield()
            end
        end)
    end
end
print("127.0.0.1:1") io.stdout:flush()
local closing <close> = setmetatable({}, {__close = function() print("closed") end})
capri.channel():receive()' >"$folder/loops.lua"
start loops "$program" --cpus 2 "$folder/loops.lua"
stop "$started" loops.lua
grep -q closed "$folder/out.loops" || complain "SIGINT has not ended the script in order"

# ---- the module in a stock interpreter

if [ -n "$module" ] && command -v lua5.4 >/dev/null; then
    LUA_CPATH="$module/?.so" CAPRI_CAPABILITIES=2 lua5.4 "$scripts/check.lua" \
        >"$folder/out" 2>"$folder/err" || complain "check.lua has failed in lua5.4"
    grep -q "all as it should be" "$folder/out" || complain "check.lua has not ended in lua5.4"
    LUA_CPATH="$module/?.so" CAPRI_CAPABILITIES=2 lua5.4 "$scripts/misuse.lua" \
        >"$folder/out" 2>"$folder/err" || complain "misuse.lua has failed in lua5.4"
    grep -q "all as it should be" "$folder/out" || complain "misuse.lua has not ended in lua5.4"
fi
echo "all as it should be"
