-- What every interpreter begins with. It is given the raw pieces by the host and returns the function that runs a script;
-- where there are functions also the one that runs a library's text, and the environment of libraries.
local host = ...
local readonly, raising, calling, G = host.readonly, host.raising, host.calling, host.globals
local xpcall, rawpcall, type, error, tostring, ipairs, select = xpcall, pcall, type, error, tostring, ipairs, select

-- An error object of a command is its text to whoever catches it; what another table has as `err` comes behind it. Both as in Redis.
local function caught(ok, ...)
    if ok then
        return true, ...
    end
    local err = ...
    if type(err) ~= 'table' then
        return false, err
    end
    local text = err.err
    if type(text) == 'string' or type(text) == 'number' then
        return false, text
    end
    return false, err, text
end

function pcall(...)
    if select('#', ...) == 0 then
        -- What stands where the function would, in Redis.
        return false, 'attempt to call a boolean value'
    end
    return caught(rawpcall(...))
end

-- What follows the handler is not handed on: that came with Lua 5.2.
function G.xpcall(...)
    if select('#', ...) < 2 then
        error("bad argument #2 to 'xpcall' (value expected)", 1)
    end
    local f, handler = ...
    return xpcall(f, handler)
end

local redis = {
    call = calling(host.call),
    pcall = calling(host.pcall),
    log = raising(host.log),
    sha1hex = raising(host.sha1hex),
    error_reply = raising(host.error_reply),
    status_reply = raising(host.status_reply),
    setresp = raising(host.setresp),
    set_repl = raising(host.set_repl),
    acl_check_cmd = raising(host.acl_check_cmd),
    replicate_commands = function() return true end,
    breakpoint = function() return false end,
    debug = function() end,
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
    REDIS_VERSION = host.version, REDIS_VERSION_NUM = host.version_num,
}
G.redis = redis
G.server = redis

-- Functions never had what scripts have for the sake of older ones.
if host.register_function then
    redis.replicate_commands, redis.breakpoint, redis.debug = nil, nil, nil
end

-- What Redis does not have either.
for _, name in ipairs { 'dofile', 'loadfile', 'print', 'newproxy', 'getfenv', 'setfenv', '__readonly', '__raising', '__calling', '__running',
    'require', 'module', 'package' } do
    G[name] = nil
end
G.os = { clock = host.clock }
G.math.random = host.random
G.math.randomseed = host.randomseed
for name, library in pairs(host.libraries) do
    G[name] = library
end
if not host.register_function then
    G.KEYS, G.ARGV = {}, {}
    G.__redis__err__handler = host.handler
end

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 1)
end
setmetatable(G, { __index = missing })

for name, value in pairs(G) do
    if type(value) == 'table' and value ~= G and name ~= 'KEYS' and name ~= 'ARGV' then
        readonly(value, true)
    end
end
readonly(getmetatable(G), true)
readonly(getmetatable(''), true)
readonly(G, true)

local handler = host.handler

if host.register_function then
    local guard = { __index = missing }
    local register = {
        register_function = raising(host.register_function),
        log = redis.log,
        LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
        REDIS_VERSION = host.version, REDIS_VERSION_NUM = host.version_num,
    }
    local at_load = { redis = setmetatable(register, guard), server = register }
    setmetatable(at_load, guard)
    -- What libraries see as globals: this while they load, all the rest later.
    local behind = { __index = G }
    local environment = setmetatable({}, behind)
    for _, table in ipairs { guard, register, at_load, environment } do
        readonly(table, true)
    end
    return function(callback, keys, args)
        return xpcall(function() return callback(keys, args) end, handler)
    end, function(text)
        behind.__index = at_load
        local ok, err = xpcall(text, handler)
        behind.__index = G
        return ok, err
    end, environment
end

return host.running(G, handler)
