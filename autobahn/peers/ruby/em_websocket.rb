# em-websocket, a server on EventMachine: em_websocket.rb server
require 'em-websocket'

EM.run do
  probe = TCPServer.new('127.0.0.1', 0)
  port = probe.addr[1]
  probe.close
  EM::WebSocket.run(host: '127.0.0.1', port: port) do |socket|
    socket.onmessage { |text| socket.send_text(text) }
    socket.onbinary { |bytes| socket.send_binary(bytes) }
    socket.onerror { |_| }
  end
  puts "ws://127.0.0.1:#{port}/"
  $stdout.flush
  Thread.new { $stdin.read && exit!(0) }
end
