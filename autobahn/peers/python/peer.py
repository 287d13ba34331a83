"""What the programs on Python libraries share: how a server tells where it is and ends, and the cases that a client plays.

A server prints its URL as its first line and ends when its standard input is closed, so that it never outlives its
starter. A client plays the control protocol of the Autobahn suite: /getCaseCount, /runCase for each case, /updateReports.
"""

import os
import socket
import sys
import threading


def listener():
    """A socket that listens on a free port, for servers that take one."""
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def free_port():
    """A free port, for servers that take a number other than 0 only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_stdin():
    def wait():
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def announce(port):
    print(f"ws://127.0.0.1:{port}/", flush=True)
    end_with_stdin()


def announce_when_listening(port):
    """For servers that tell nobody when they listen: says so once somebody answers there."""
    def wait():
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return announce(port)
            except OSError:
                threading.Event().wait(0.1)

    threading.Thread(target=wait, daemon=True).start()


def play(agent, first_message, echo):
    """Plays all cases: first_message(url) is the first text of a connection, echo(url) ends with its connection."""
    url = sys.argv[-1].rstrip("/")
    for number in range(1, int(first_message(f"{url}/getCaseCount")) + 1):
        try:
            echo(f"{url}/runCase?case={number}&agent={agent}")
        except Exception as error:  # however it ends, it has ended
            print(f"case {number}: {error!r}", file=sys.stderr)
    echo(f"{url}/updateReports?agent={agent}")


async def play_async(agent, first_message, echo):
    """The same for functions that are awaited."""
    url = sys.argv[-1].rstrip("/")
    for number in range(1, int(await first_message(f"{url}/getCaseCount")) + 1):
        try:
            await echo(f"{url}/runCase?case={number}&agent={agent}")
        except Exception as error:  # however it ends, it has ended
            print(f"case {number}: {error!r}", file=sys.stderr)
    await echo(f"{url}/updateReports?agent={agent}")
