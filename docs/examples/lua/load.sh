#!/bin/bash
# load.sh PROGRAM -- http.lua under wrk, beside idle connections, beside a loop that never waits,
# and stopped in the middle of it; exits with 0 if every request was answered, with 77 without wrk.
set -u
program=$1
. "$(dirname "$0")/try.sh"
idle=5000

command -v wrk >/dev/null || { echo "skipped: no wrk"; exit 77; }
ulimit -n "$(ulimit -Hn)"
limit=$(ulimit -n)
[ "$limit" = unlimited ] || [ "$limit" -ge $((idle + 700)) ] || idle=$((limit - 700))

# load CONNECTIONS -- a second of it, at the server that was started last.
load() {
    wrk -t2 "-c$1" -d1s "http://127.0.0.1:$port/" >"$folder/out.wrk" 2>&1 ||
        complain "wrk has failed"
    grep -Eq "^ *[1-9][0-9]* requests in " "$folder/out.wrk" || complain "$1 connections: no answer"
    if grep "Socket errors" "$folder/out.wrk" | grep -vq "connect 0, read 0, write 0,"; then
        complain "$1 connections: some failed"
    fi
    if grep -q "Non-2xx" "$folder/out.wrk"; then complain "$1 connections: wrong answers"; fi
}

# say_nothing NAME -- it has reported no error.
say_nothing() {
    [ ! -s "$folder/err.$1" ] || complain "$1 has reported errors"
}

# await WORD -- until who holds the connections says it.
await() {
    until grep -q "$1" "$folder/out.holder"; do
        kill -0 "$holder" 2>/dev/null || complain "the idle connections were lost before '$1'"
        sleep 0.02
    done
}

# ---- beside idle connections, which are answered afterwards, too

cat >"$folder/holder.lua" <<'LUA'
local capri = require "capri"
local port, count = math.tointeger(tonumber((...))), math.tointeger(tonumber((select(2, ...))))

local function ask(socket)
    assert(socket:write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    local head = assert(socket:read_until("\r\n\r\n"))
    assert(head:find("^HTTP/1.1 200 OK\r\n"), head)
    local size = math.tointeger(tonumber(head:match("Content%-Length: (%d+)")))
    assert(#assert(socket:read(size)) == size)
end

local function say(text)
    print(text)
    io.stdout:flush()
end

local all = {}
for i = 1, count do
    all[i] = assert(capri.connect("127.0.0.1", port))
    ask(all[i])
end
say("held")
assert(capri.call(function() return io.read("l") end) == "again")
for _, socket in ipairs(all) do ask(socket) end
say("answered again")
for _, socket in ipairs(all) do assert(socket:read() == nil) end
say("closed")
LUA
start http "$program" --cpus 2 "$scripts/http.lua" 0
mkfifo "$folder/words"
exec 3<>"$folder/words"
: >"$folder/out.holder"
"$program" --cpus 1 "$folder/holder.lua" "$port" "$idle" <&3 >"$folder/out.holder" \
    2>"$folder/err.holder" &
holder=$!
running="$running $holder"
await held
load 64
load 512
echo again >&3
await "answered again"
stop "$started" http.lua
wait "$holder" || complain "the idle connections were not closed in order"
say_nothing http
say_nothing holder

# ---- beside a loop that never waits, on the other capability

cat >"$folder/looping.lua" <<'LUA'
local capri = require "capri"
local other, begun = capri.cpus(), capri.channel()
assert(other ~= capri.cpu())
capri.spawn_on(other, function(begun)
    begun:send(true)
    while true do end
end, begun)
assert(begun:receive())
capri.cpus = function() return 1 end -- where http.lua shall listen
assert(loadfile((...)))("0")
LUA
start looping "$program" --cpus 2 "$folder/looping.lua" "$scripts/http.lua"
load 64
load 512
stop "$started" "http.lua beside a loop"
say_nothing looping

# ---- stopped under load

start stopped "$program" --cpus 2 "$scripts/http.lua" 0
wrk -t2 -c64 -d1s "http://127.0.0.1:$port/" >"$folder/out.wrk" 2>&1 &
client=$!
sleep 0.3
stop "$started" "http.lua under load"
say_nothing stopped
wait "$client"
echo "all as it should be, beside $idle idle connections"
