-- lua-http: lua_http.lua server | client URL
local cqueues = require "cqueues"
local headers = require "http.headers"
local server = require "http.server"
local websocket = require "http.websocket"

-- Until the WebSocket has ended; its first message.
local function answer(socket, echo)
  local first
  for message, kind in socket:each() do
    first = first or message
    if echo and not socket:send(message, kind) then break end
  end
  socket:close(nil, nil, 1)
  return first
end

local function serve()
  local running = assert(server.listen {
    host = "127.0.0.1",
    port = 0,
    tls = false,
    onstream = function(_, stream)
      local request = assert(stream:get_headers())
      local socket = websocket.new_from_stream(stream, request)
      if socket and socket:accept() then return answer(socket, true) end
      local response = headers.new()
      response:append(":status", "426")
      response:append("upgrade", "websocket")
      stream:write_headers(response, true)
    end,
    onerror = function() end,
  })
  assert(running:listen())
  local _, _, port = running:localname()
  print(("ws://127.0.0.1:%d/"):format(port))
  io.stdout:flush()
  running.cq:wrap(function()
    cqueues.poll { pollfd = 0, events = "r" }
    os.exit(0)
  end)
  assert(running:loop())
end

local function visit(url, echo)
  local socket = websocket.new_from_uri(url)
  local connected, problem = socket:connect(20)
  if not connected then error(problem, 0) end
  return answer(socket, echo)
end

local function play(url)
  url = url:gsub("/$", "")
  for number = 1, tonumber(visit(url .. "/getCaseCount", false)) do
    local fine, problem = pcall(visit, ("%s/runCase?case=%d&agent=lua-http"):format(url, number), true)
    if not fine then io.stderr:write(("case %d: %s\n"):format(number, tostring(problem))) end
  end
  visit(url .. "/updateReports?agent=lua-http", false)
end

if arg[1] == "server" then serve() else play(arg[2]) end
