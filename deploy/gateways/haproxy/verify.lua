-- Asks the service whether a request may pass: `http-request lua.verify URL`. See docs/behind-a-gateway.md.

local IDENTITY = {"x-user-id", "x-session-id", "x-scopes"}
local PASSED_ON = {"content-type", "www-authenticate", "retry-after", "cache-control", "x-request-id"}
local UNAVAILABLE = '{"code":50001,"message":"操作失败","data":null}'

local function values(headers, name)
    local found = {}
    for _, value in pairs(headers[name] or {}) do
        table.insert(found, value)
    end
    return found
end

local function refuse(txn, answer)
    local reply = txn:reply({status = 503})
    if answer and answer.status and answer.status >= 400 and answer.status < 500 then
        reply:set_status(answer.status)
        reply:set_body(answer.body or "")
        for _, name in ipairs(PASSED_ON) do
            for _, value in ipairs(values(answer.headers or {}, name)) do
                reply:add_header(name, value)
            end
        end
    else
        reply:add_header("content-type", "application/json")
        reply:add_header("retry-after", "1")
        reply:set_body(UNAVAILABLE)
    end
    txn:done(reply)
end

core.register_action("verify", {"http-req"}, function(txn, url)
    local sent = txn.http:req_get_headers()
    local answer = core.httpclient():get({
        url = url,
        timeout = 6000,  -- milliseconds; the service answers within 5 s, also where PostgreSQL is away
        headers = {
            ["authorization"] = values(sent, "authorization"),
            ["accept-language"] = values(sent, "accept-language"),
            ["x-forwarded-for"] = {txn.sf:src()},
        },
    })
    -- SECURITY: whatever is not a 200 is refused, also no answer at all
    if not answer or answer.status ~= 200 then
        return refuse(txn, answer)
    end
    for _, name in ipairs(IDENTITY) do
        local value = values(answer.headers, name)[1]
        if value then
            txn.http:req_set_header(name, value)
        end
    end
end, 1)
