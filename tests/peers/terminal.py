"""Runs a command on a terminal of its own.

    python3 terminal.py COLUMNS ROWS COMMAND [ARGUMENT...]

What comes on stdin is typed there; what the terminal is told to show goes to stdout as it is. Ends with the command,
with its exit code.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def main():
    columns, rows, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execvp(command[0], command)
    sources = [terminal, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if terminal in ready:
            try:
                shown = os.read(terminal, 65536)
            except OSError:  # nobody has the terminal open any more
                break
            if not shown:
                break
            while shown:
                shown = shown[os.write(1, shown) :]
        if 0 in ready:
            typed = os.read(0, 65536)
            if not typed:
                sources.remove(0)
            while typed:
                typed = typed[os.write(terminal, typed) :]
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status) % 256)


main()
