#!/usr/bin/env python3
"""What peers that mean harm cost a server, and the others: bytes held, and how long a quiet neighbour waits.

    attack.py target/release/bowsprit            everything, as a table in Markdown
    attack.py --only bombs --max-held 256M BIN   one attack, with a flag of `serve`

Starts `BIN serve` on a free port of the loopback for each attack, with its defaults unless said. The server has a CPU of
its own, and the neighbour that measures comes before the attackers on the other one where it may say so (SCHED_RR: root):
otherwise the time that the system gives an attacker, some 3 ms, would count as that of the server. Numbers are modest: a
run takes two minutes, and gigabytes only where `--max-held` allows them. Linux; standard library alone.
"""

import argparse
import base64
import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
import zlib

KEY = b"\x37\xfa\x21\x3d"


def frame(opcode, payload, fin=True, rsv1=False):
    """A masked frame; the key is constant."""
    head = bytes([(0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += b"\xfe" + struct.pack("!H", len(payload))
    else:
        head += b"\xff" + struct.pack("!Q", len(payload))
    key = (KEY * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")
    return head + KEY + masked


def zeros(length):
    """So many zero bytes as the payload of a compressed message."""
    deflate = zlib.compressobj(9, wbits=-15)
    return (deflate.compress(bytes(length)) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def connect(port, compressed=False, small_buffer=False):
    sock = socket.socket()
    if small_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [
        "GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(),
    ]
    if compressed:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover")
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(4096)
        if not more:
            raise ConnectionError("no answer")
        head += more
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(head[:80].decode("latin1"))
    return sock


def on_cpu(cpu):
    """For `preexec_fn`: a CPU of its own where there are two, and the place of any other process."""
    def apply():
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        if len(CPUS) > 1:
            os.sched_setaffinity(0, {cpu})
    return apply


CPUS = sorted(os.sched_getaffinity(0))


class Server:
    def __init__(self, binary, *flags):
        # Never listens: it keeps the port from everybody but the server, which sets SO_REUSEADDR.
        self.keeper = socket.socket()
        self.keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.keeper.bind(("127.0.0.1", 0))
        self.port = self.keeper.getsockname()[1]
        command = [binary, "serve", "--listen", f"127.0.0.1:{self.port}", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=on_cpu(CPUS[0]))
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{' '.join(command)}: does not listen")

    def held(self):
        """Bytes that the system has given it (VmRSS)."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.keeper.close()


def echo_times(port, seconds):
    """How long a small message and its echo take, on a connection that does nothing else, in milliseconds."""
    times = []
    end = time.monotonic() + seconds
    try:
        sock = connect(port)
        sock.settimeout(10)
        while time.monotonic() < end:
            start = time.monotonic()
            sock.sendall(frame(2, b"0123456789abcdef"))
            got = b""
            while len(got) < 18:
                got += sock.recv(4096)
            times.append((time.monotonic() - start) * 1000)
            time.sleep(0.005)
        sock.close()
    except OSError:
        times.append(float("inf"))  # it was not served at all
    return times


def open_times(port, seconds):
    """How long it takes to connect and open, in milliseconds."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            connect(port).close()
            times.append((time.monotonic() - start) * 1000)
        except OSError:
            times.append(float("inf"))
        time.sleep(0.02)
    return times


def at(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def beside(work):
    """Runs `work` in a process of its own; says its id."""
    child = os.fork()
    if child == 0:
        on_cpu(CPUS[-1])()
        try:
            work()
        except (OSError, KeyboardInterrupt):
            pass
        os._exit(0)
    return child


def end(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def flood(port, connections, block, compressed=False):
    """Writes `block` again and again on so many connections, as fast as it is taken, and drops what comes back."""
    socks = [connect(port, compressed) for _ in range(connections)]
    poll = select.epoll()
    for sock in socks:
        sock.setblocking(False)
        poll.register(sock, select.EPOLLIN | select.EPOLLOUT)
    by_number = {sock.fileno(): sock for sock in socks}
    offsets = dict.fromkeys(by_number, 0)
    while True:
        for number, event in poll.poll(1):
            sock = by_number[number]
            try:
                if event & select.EPOLLIN and not sock.recv(1 << 18):
                    poll.unregister(sock)
                    continue
                if event & select.EPOLLOUT:
                    offset = offsets[number]
                    offsets[number] = (offset + sock.send(block[offset:])) % len(block)
            except BlockingIOError:
                pass
            except OSError:
                poll.unregister(sock)


def readers(port, connections):
    """Reads and drops what comes on so many connections."""
    socks = [connect(port) for _ in range(connections)]
    poll = select.epoll()
    for sock in socks:
        poll.register(sock, select.EPOLLIN)
    by_number = {sock.fileno(): sock for sock in socks}
    while True:
        for number, _ in poll.poll(1):
            if not by_number[number].recv(1 << 16):
                poll.unregister(number)


def peak_while(server, seconds):
    peak = 0
    end_at = time.monotonic() + seconds
    while time.monotonic() < end_at:
        peak = max(peak, server.held())
        time.sleep(0.05)
    return peak


def mib(length):
    return f"{length / (1 << 20):.1f} MiB"


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def bombs(binary, flags):
    payload = zeros(16 << 20)
    wire = frame(2, payload[:-16], fin=False, rsv1=True)
    with Server(binary, "--deflate", *flags) as server:
        before, socks = server.held(), []
        for _ in range(200):
            try:
                sock = connect(server.port, compressed=True)
                sock.sendall(wire)
                socks.append(sock)
            except OSError:
                pass
        peak = peak_while(server, 3)
        quiet = echo_times(server.port, 1)
        row("200 messages of 16 MiB, compressed, not ended", mib(200 * len(wire)), mib(before), mib(peak),
            f"{at(quiet, 0.5):.2f} ms")
        for sock in socks:
            sock.close()


def slow_readers(binary, flags):
    wire = frame(2, bytes(64 << 10))
    with Server(binary, "--overflow", "drop", "--high-watermark", "64M", *flags) as server:
        before, socks, sent = server.held(), [], 0
        for _ in range(300):
            sock = connect(server.port, small_buffer=True)
            sock.setblocking(False)
            socks.append(sock)
        for _ in range(100):
            for sock in socks:
                try:
                    sent += sock.send(wire)
                except OSError:
                    pass
        peak = peak_while(server, 2)
        quiet = echo_times(server.port, 1)
        row("300 readers that do not read, `--overflow drop`", mib(sent), mib(before), mib(peak),
            f"{at(quiet, 0.5):.2f} ms")


def pieces(binary, flags):
    wire = frame(2, bytes(1 << 20))[:16]
    with Server(binary, "--deflate", *flags) as server:
        before, socks = server.held(), []
        for _ in range(2000):
            sock = connect(server.port)
            sock.sendall(wire[:15])
            socks.append(sock)
        time.sleep(0.3)
        for sock in socks:
            sock.sendall(wire[15:])
        peak = peak_while(server, 1)
        quiet = echo_times(server.port, 1)
        row("2,000 messages of which 2 bytes have come, in two writes", mib(2000 * len(wire)), mib(before), mib(peak),
            f"{at(quiet, 0.5):.2f} ms")


MEMORY = {"bombs": bombs, "slow-readers": slow_readers, "pieces": pieces}


def fair(name, binary, flags, start, seconds, measure):
    with Server(binary, *flags) as server:
        alone = measure(server.port, seconds)
        child = start(server.port)
        time.sleep(1.5)
        together = measure(server.port, seconds)
        for pid in child:
            end(pid)
        row(name, *(f"{at(times, part):.2f}" for times in (alone, together) for part in (0.5, 0.99)),
            f"{at(together, 0.99) / at(alone, 0.99):.1f}")


def fairness(binary, flags, seconds):
    bomb = frame(2, zeros(1 << 20), rsv1=True)
    small = frame(2, b"0123456789abcdef") * 4000
    relayed = frame(2, bytes(64)) * 200
    for count in (1, 100):
        fair(f"{count} × messages of 16 bytes, echo", binary, flags,
             lambda port: [beside(lambda: flood(port, count, small))], seconds, echo_times)
    for count in (1, 100):
        fair(f"{count} × messages of 1 MiB in 1 KiB, echo", binary, ["--deflate", *flags],
             lambda port: [beside(lambda: flood(port, count, bomb, True))], seconds, echo_times)
    for count in (1, 100):
        fair(f"{count} × messages of 64 bytes to 500 readers, opening", binary, ["--mode", "relay", *flags],
             lambda port: [beside(lambda: readers(port, 500)), beside(lambda: (time.sleep(0.8), flood(port, count, relayed)))],
             seconds, open_times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--only", choices=[*MEMORY, "fairness"])
    parser.add_argument("--max-held", help="passed on to `serve`")
    parser.add_argument("--seconds", type=float, default=4, help="how long each latency is measured")
    args = parser.parse_args()
    flags = ["--max-held", args.max_held] if args.max_held else []
    if len(CPUS) > 1:
        os.sched_setaffinity(0, {CPUS[-1]})
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("without SCHED_RR: waits behind attackers for a CPU count as the server's", file=sys.stderr)
    if args.only != "fairness":
        row("what comes", "sent", "resident before", "resident at the peak", "a neighbour's echo, median")
        row("---", "---:", "---:", "---:", "---:")
        for name, attack in MEMORY.items():
            if args.only in (None, name):
                attack(args.binary, flags)
    if args.only in (None, "fairness"):
        if args.only is None:
            print()
        row("what comes beside it", "alone, p50 (ms)", "p99", "beside it, p50", "p99", "ratio of p99")
        row("---", "---:", "---:", "---:", "---:", "---:")
        fairness(args.binary, flags, args.seconds)


if __name__ == "__main__":
    main()
