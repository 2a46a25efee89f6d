-- HttpLua.lua -- rows 43 and 44: docs/examples/lua/http.lua, started as the driver starts servers.
--
--     capri-lua --cpus N HttpLua.lua --cores N --port P

local root = assert(arg[0]:match("^(.*/)testsuite/bench/[^/]+$"))
local port
for i = 1, #arg - 1 do
    port = arg[i] == "--port" and arg[i + 1] or port
end
assert(loadfile(root .. "docs/examples/lua/http.lua"))(assert(port))
