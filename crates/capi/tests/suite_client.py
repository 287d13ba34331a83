#!/usr/bin/env python3
"""Plays the client's side of the Autobahn control protocol with the C client of ../examples, for `bowsprit test client`.

    suite_client.py URL CLIENT...       the command that runs the client, which valgrind may begin
"""

import subprocess
import sys

FOUND = 9  # by AddressSanitizer or valgrind; 1 is a connection that failed, which is what some cases are for


def run(client, *arguments):
    done = subprocess.run([*client, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
    if done.returncode not in (0, 1) or b"ERROR: " in done.stderr:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        sys.exit(FOUND)
    return done.stdout


def main(url, *client):
    url = url.rstrip("/")
    for case in range(1, int(run(client, "--print", f"{url}/getCaseCount")) + 1):
        run(client, "--echo", f"{url}/runCase?case={case}&agent=capi")
    run(client, "--print", f"{url}/updateReports?agent=capi")


if __name__ == "__main__":
    main(*sys.argv[1:])
