-- Shapes REST replies. This filter stands before the transcoder, so it sees a request before
-- and a reply after it. Calls over native gRPC pass untouched.

local NAMESPACE = "skillbox"

-- What a caller is told when a call failed without an error of the services' catalogue:
-- the service was not reached, went away, or gRPC itself refused the call.
local UNAVAILABLE = {"503", '{"error":"service_unavailable","message":"the service is not available"}'}
local UNCATALOGUED = {
  ["1"] = UNAVAILABLE, -- CANCELLED
  ["4"] = UNAVAILABLE, -- DEADLINE_EXCEEDED
  ["8"] = {"429", '{"error":"resource_exhausted","message":"too many requests"}'},
  ["12"] = {"404", '{"error":"not_found","message":"no such method and path"}'}, -- UNIMPLEMENTED
  ["14"] = UNAVAILABLE,
}
local INTERNAL = {"500", '{"error":"internal_error","message":"internal error"}'}

local FALLBACK = "/skillbox.auth.v1.FallbackRestService/UnknownPathRest"
local FALLBACK_TIMEOUT_MS = 5000
local EMPTY_MESSAGE = "\0\0\0\0\0"
-- What the transcoder names when an unknown path has a query parameter.
local UNKNOWN_PATH = "skillbox.auth.v1.UnknownPathRestRequest"

-- Drops what HTTP allows and gRPC cannot carry, or would take for its own: such a call would
-- fail before a service sees it. The content type becomes text of a message.
local function remove_foreign(headers)
  local names = {}
  for name, value in pairs(headers) do
    local foreign = name:find("^grpc%-") or name:find("%-bin$") or name:find("[^:0-9a-z_.-]")
    if foreign or (name == "content-type" and value:find("[\128-\255]")) then
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(names) do
    headers:remove(name)
  end
end

local function remove_internal(headers)
  local names = {"x-http-code", "x-rest-error", "x-local-reply"}
  for name in pairs(headers) do
    if name:sub(1, 5) == "grpc-" then
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(names) do
    headers:remove(name)
  end
end

-- Waits for the end of the reply and puts `text` in the place of its body. What was fetched
-- from the handle before has to be fetched again.
local function replace_body(handle, text)
  local metadata = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  handle:body(true):setBytes(metadata.method == "HEAD" and "" or text)
  local trailers = handle:trailers()
  if trailers ~= nil then
    remove_internal(trailers)
  end
end

local function set_json(handle, text)
  replace_body(handle, text)
  handle:headers():replace("content-type", "application/json")
end

-- Asks Auth's fallback about the key of a request that no service has seen. Returns what it says:
-- 404, as to any path that it does not know, when the key is good.
local function ask_fallback(handle, credentials)
  local request = {
    [":method"] = "POST",
    [":path"] = FALLBACK,
    [":authority"] = "auth",
    ["content-type"] = "application/grpc",
    ["te"] = "trailers",
    ["x-envoy-original-method"] = "POST",
  }
  for name, value in pairs(credentials) do
    request[name] = value
  end
  local reply = handle:httpCall("auth", request, EMPTY_MESSAGE, FALLBACK_TIMEOUT_MS)
  return reply["x-http-code"] or UNAVAILABLE[1], reply["x-rest-error"] or UNAVAILABLE[2]
end

-- Polishes what Envoy wrote by its local_reply_config, for those who have a key.
local function shape_local_reply(handle, details, credentials)
  local body = handle:body()
  local text = body and body:getBytes(0, body:length()):gsub("\n$", "") or ""
  if credentials ~= nil then
    local status, error = ask_fallback(handle, credentials)
    if status ~= "404" or text:find(UNKNOWN_PATH, 1, true) then
      handle:headers():replace(":status", status)
      set_json(handle, error)
      return
    end
  end
  if details == "grpc_json_transcode_failure{INVALID_ARGUMENT}" then
    text = text:gsub('"message":"[: ]*', '"message":"invalid JSON body: ', 1)
  else
    text = text:gsub('Could not find field (\\".-\\") in the type \\"[%w._]*\\"%.', "unknown query parameter %1", 1)
  end
  set_json(handle, text)
end

local function shape_error(handle, grpc_status)
  local source = handle:headers()
  if source:get("x-rest-error") == nil then
    -- The service had sent headers before it failed.
    handle:body()
    source = handle:trailers() or handle:headers()
  end
  local status, text = source:get("x-http-code"), source:get("x-rest-error")
  local retry_after = source:get("retry-after")
  if text == nil then
    status, text = unpack(UNCATALOGUED[grpc_status] or INTERNAL)
  end
  set_json(handle, text)
  local headers = handle:headers()
  headers:replace(":status", status)
  if retry_after ~= nil then
    headers:replace("retry-after", retry_after)
  end
end

local function shape_success(handle)
  local headers = handle:headers()
  local status = headers:get("x-http-code")
  if status == nil then
    return
  end
  headers:replace(":status", status)
  if status == "204" then
    replace_body(handle, "")
    headers = handle:headers()
    headers:remove("content-type")
    headers:remove("content-length")
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  -- As Envoy tells gRPC from the rest, to which gRPC-Web belongs.
  if ((headers:get("content-type") or "") .. "+"):find("^application/grpc%+") then
    return
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(NAMESPACE, "rest", true)
  metadata:set(NAMESPACE, "method", headers:get(":method"))
  remove_foreign(headers)
  local path = headers:get(":path")
  if path == nil then -- CONNECT
    handle:respond({[":status"] = "404"}, "")
  elseif (path .. "/"):find("^/v1[/?]") then
    metadata:set(NAMESPACE, "credentials", {
      ["authorization"] = headers:get("authorization"),
      ["x-tenant-id"] = headers:get("x-tenant-id"),
      ["x-request-id"] = headers:get("x-request-id"),
    })
  end
end

function envoy_on_response(handle)
  local metadata = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  if metadata == nil then
    return
  end
  local headers = handle:headers()
  local details, grpc_status = headers:get("x-local-reply"), headers:get("grpc-status")
  if details ~= nil then
    shape_local_reply(handle, details, metadata.credentials)
  elseif grpc_status ~= nil and grpc_status ~= "0" then
    shape_error(handle, grpc_status)
  else
    shape_success(handle)
  end
  remove_internal(handle:headers())
end
