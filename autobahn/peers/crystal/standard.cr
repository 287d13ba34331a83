# The WebSocket of Crystal's standard library: standard server | client URL
require "http/server"
require "http/web_socket"
require "uri"

def answer(socket : HTTP::WebSocket)
  socket.on_message { |text| socket.send text }
  socket.on_binary { |bytes| socket.send bytes }
end

def serve
  server = HTTP::Server.new([HTTP::WebSocketHandler.new { |socket, _| answer socket }])
  address = server.bind_tcp "127.0.0.1", 0
  puts "ws://127.0.0.1:#{address.port}/"
  STDOUT.flush
  spawn do
    STDIN.gets_to_end
    exit 0
  end
  server.listen
end

# One connection, until it has ended; its first message.
def visit(url, echo)
  first = nil
  socket = HTTP::WebSocket.new(URI.parse(url))
  if echo
    answer socket
  else
    socket.on_message { |text| first ||= text }
  end
  socket.run
  first
end

def play(url)
  count = visit("#{url}/getCaseCount", false).not_nil!.to_i
  (1..count).each do |number|
    visit("#{url}/runCase?case=#{number}&agent=crystal", true)
  rescue error # many a case ends with one
    STDERR.puts "case #{number}: #{error}"
  end
  visit("#{url}/updateReports?agent=crystal", false)
end

ARGV[0] == "server" ? serve : play(ARGV[1].rchop('/'))
