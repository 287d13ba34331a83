#!/usr/bin/env python3
"""The peers of `peers/broken.py` must be wrong in the same way each time. Run: python3 autobahn/test_broken.py"""

import os
import socket
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
import broken  # noqa: E402

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
RESERVED_OPCODE = bytes([0x87, 0x80, 0, 0, 0, 0])
MORE = bytes(4 << 20)  # more than the sockets of both sides hold


def answer(kind):
    """What a server of that kind sends to one who breaks a rule and goes on writing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), 20)
        theirs, _ = listener.accept()
    with ours:
        server = threading.Thread(target=broken.serve, args=(theirs, kind))
        server.start()
        try:
            ours.sendall(HEAD + RESERVED_OPCODE + MORE)
            ours.shutdown(socket.SHUT_WR)
            came = b""
            while part := ours.recv(1 << 16):
                came += part
            return came.split(b"\r\n\r\n", 1)[1]
        finally:
            ours.close()
            server.join(20)


class Ends(unittest.TestCase):
    """A reset that overtakes the Close would make the verdict depend on who is faster."""

    def test_who_still_writes_is_heard_out(self):
        self.assertEqual(b"\x88\x02" + (1011).to_bytes(2, "big"), answer("muddled"))
        self.assertEqual(b"", answer("rude"))
        self.assertEqual(b"", answer("deaf"))


if __name__ == "__main__":
    unittest.main()
