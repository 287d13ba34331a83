# Ruby's faye-websocket on EventMachine, its server under Thin: faye.rb server | client URL
require 'faye/websocket'
require 'eventmachine'

def play(url)
  open = lambda do |resource, answer, &done|
    first = nil
    socket = Faye::WebSocket::Client.new(url + resource)
    socket.on(:message) do |event|
      first ||= event.data
      socket.send(event.data) if answer
    end
    socket.on(:close) { done.call(first) }
  end
  open.call('/getCaseCount', false) do |count|
    step = lambda do |number|
      if number > count.to_i
        open.call('/updateReports?agent=faye', false) { EM.stop }
      else
        open.call("/runCase?case=#{number}&agent=faye", true) { step.call(number + 1) }
      end
    end
    step.call(1)
  end
end

def serve
  require 'thin'
  Faye::WebSocket.load_adapter('thin')
  Thin::Logging.silent = true
  application = lambda do |env|
    return [426, { 'Upgrade' => 'websocket' }, []] unless Faye::WebSocket.websocket?(env)

    socket = Faye::WebSocket.new(env)
    socket.on(:message) { |event| socket.send(event.data) }
    socket.rack_response
  end
  probe = TCPServer.new('127.0.0.1', 0)
  port = probe.addr[1]
  probe.close
  Thin::Server.new('127.0.0.1', port, application, signals: false).start
  puts "ws://127.0.0.1:#{port}/"
  $stdout.flush
  Thread.new { $stdin.read && exit!(0) }
end

EM.run { ARGV[0] == 'server' ? serve : play(ARGV[1].chomp('/')) }
