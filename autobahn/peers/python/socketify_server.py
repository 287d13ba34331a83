"""socketify, Python's binding of uWebSockets: socketify_server.py"""

import peer
from socketify import App, CompressOptions

application = App()
application.ws("/*", {
    "compression": CompressOptions.SHARED_COMPRESSOR,
    "max_payload_length": 64 << 20,
    "max_backpressure": 64 << 20,
    "message": lambda socket, message, opcode: socket.send(message, opcode),
})
port = peer.free_port()
application.listen({"port": port, "host": "127.0.0.1"}, lambda config: peer.announce(port))
application.run()
