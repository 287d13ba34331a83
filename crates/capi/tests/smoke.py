#!/usr/bin/env python3
"""Binds libbowsprit by ctypes alone, and lets a client and a server of it talk in memory.

    smoke.py libbowsprit.so
"""

import ctypes
import sys
from ctypes import POINTER, byref, c_bool, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p


class Slice(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("len", c_size_t)]

    def bytes(self):
        return ctypes.string_at(self.data, self.len) if self.data else None


class Event(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("kind", c_uint32), ("data_kind", c_uint32), ("data", c_void_p), ("len", c_size_t),
                ("code", c_uint32), ("error", c_uint32), ("text", c_char_p), ("section", c_char_p),
                ("frame_ends", c_uint32), ("message_ends", c_uint32)]

    def bytes(self):
        return ctypes.string_at(self.data, self.len) if self.len else b""


class Request(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("host", c_char_p), ("resource", c_char_p), ("origin", c_char_p),
                ("subprotocols", POINTER(c_char_p)), ("subprotocol_count", c_size_t), ("headers", c_void_p),
                ("header_count", c_size_t)]


class Outcome(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("clean", c_uint32), ("code", c_uint32), ("sent_code", c_uint32),
                ("error", c_uint32), ("reason", Slice)]


TEXT, REQUEST, OPEN, MESSAGE, FAILED, NOT_UTF8 = 1, 1, 3, 4, 10, 10


def bind(path):
    lib = ctypes.CDLL(path)
    for name, result, *arguments in [
        ("bow_version", c_char_p),
        ("bow_error_text", c_char_p, c_uint32),
        ("bow_config_new", c_uint32, c_void_p, POINTER(c_void_p)),
        ("bow_config_free", None, c_void_p),
        ("bow_conn_server", c_uint32, c_void_p, c_uint64, POINTER(c_void_p)),
        ("bow_conn_client", c_uint32, c_void_p, POINTER(Request), c_uint64, POINTER(c_void_p)),
        ("bow_conn_free", None, c_void_p),
        ("bow_conn_next", c_uint32, c_void_p, POINTER(c_void_p), POINTER(c_size_t), c_uint64, POINTER(Event)),
        ("bow_conn_accept", c_uint32, c_void_p, c_void_p, c_uint64),
        ("bow_conn_header", Slice, c_void_p, c_char_p),
        ("bow_conn_send", c_uint32, c_void_p, c_uint32, c_char_p, c_size_t),
        ("bow_conn_close", c_uint32, c_void_p, c_uint32, c_char_p, c_uint64),
        ("bow_conn_pending", Slice, c_void_p),
        ("bow_conn_written", c_uint32, c_void_p, c_size_t),
        ("bow_conn_is_compressed", c_bool, c_void_p),
        ("bow_conn_outcome", c_uint32, c_void_p, POINTER(Outcome)),
    ]:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def main(path):
    lib = bind(path)

    def check(error):
        assert error == 0, lib.bow_error_text(error)

    config, client, server = c_void_p(), c_void_p(), c_void_p()
    check(lib.bow_config_new(None, byref(config)))
    request = Request(size=ctypes.sizeof(Request), host=b"localhost:9001", resource=b"/python")
    check(lib.bow_conn_client(config, byref(request), 0, byref(client)))
    check(lib.bow_conn_server(config, 0, byref(server)))
    lib.bow_config_free(config)
    seen = []

    def carry(sender, receiver, name):
        """Hands over what waits, and answers it; says whether anything did."""
        pending = lib.bow_conn_pending(sender)
        if not pending.len:
            return False
        buffer = ctypes.create_string_buffer(pending.bytes(), pending.len)
        check(lib.bow_conn_written(sender, pending.len))
        at, left = c_void_p(ctypes.addressof(buffer)), c_size_t(len(buffer))
        event = Event(size=ctypes.sizeof(Event))
        while True:
            check(lib.bow_conn_next(receiver, byref(at), byref(left), 1, byref(event)))
            if event.kind == 0:
                return True
            seen.append((name, event.kind, event.bytes()))
            assert event.kind != FAILED, event.text
            if event.kind == REQUEST:
                assert lib.bow_conn_header(receiver, b"host").bytes() == b"localhost:9001"
                assert lib.bow_conn_header(receiver, b"cookie").bytes() is None
                check(lib.bow_conn_accept(receiver, None, 1))
            elif event.kind == OPEN:
                check(lib.bow_conn_send(receiver, TEXT, "grüß dich".encode(), 11))
            elif event.kind == MESSAGE and name == "server":
                check(lib.bow_conn_send(receiver, TEXT, event.bytes(), event.len))
            elif event.kind == MESSAGE:
                assert lib.bow_conn_send(receiver, TEXT, b"\xff", 1) == NOT_UTF8
                check(lib.bow_conn_close(receiver, 1000, b"bye", 1))

    while carry(client, server, "server") | carry(server, client, "client"):
        pass
    outcome = Outcome(size=ctypes.sizeof(Outcome))
    check(lib.bow_conn_outcome(server, byref(outcome)))
    assert (outcome.clean, outcome.code, outcome.reason.bytes()) == (1, 1000, b"bye"), seen
    assert ("client", MESSAGE, "grüß dich".encode()) in seen, seen
    assert not lib.bow_conn_is_compressed(client)
    lib.bow_conn_free(client)
    lib.bow_conn_free(server)
    print(f"bowsprit {lib.bow_version().decode()} talks to itself in Python: {len(seen)} events")


if __name__ == "__main__":
    main(*sys.argv[1:])
