"""What those have in common that examine over HTTP/2: programs that are started and ended, reports, and the page they go to."""

import json
import os
import re
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
HOME = os.path.join(PROJECT, "target", "http2")
VENV = os.path.join(HOME, "venv", "bin")
BOWSPRIT = os.environ.get("BOWSPRIT") or os.path.join(PROJECT, "target", "debug", "bowsprit")


class CannotRun(Exception):
    pass


KEEPERS = []  # the sockets that keep the ports of this run


def reserved_port():
    """A port that nobody else is given while this process is there.

    A socket that never listens keeps it; a server that sets SO_REUSEADDR can listen there all the same."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    KEEPERS.append(keeper)
    return keeper.getsockname()[1]


def output(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


def found(pattern, *command):
    match = re.search(pattern, output(*command))
    return match.group(1) if match else "unknown"


class Processes:
    """What one exam starts, and ends again, each by its own process id."""

    def __init__(self, directory):
        self.directory = directory
        self.running = []
        self.log = open(os.path.join(directory, "peers.log"), "wb")

    def start(self, *command, **more):
        try:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self.log, **more)
        except OSError as error:
            raise CannotRun(f"{command[0]}: {error.strerror}") from error
        self.running.append(child)
        return child

    def until_it_listens(self, port, child):
        for _ in range(1200):
            if child.poll() is not None:
                raise CannotRun(f"{child.args[0]} ended with {child.returncode}; see {self.log.name}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise CannotRun(f"{child.args[0]} does not listen; see {self.log.name}")

    def file(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def first_line(self, *command):
        child = self.start(*command, stdout=subprocess.PIPE)
        line = child.stdout.readline().decode().strip()
        if not line:
            raise CannotRun(f"{command[0]} printed no address; see {self.log.name}")
        return re.search(r":(\d+)", line.split("//")[-1]).group(1)

    def end(self):
        for child in reversed(self.running):
            child.stdin.close()
            child.terminate()
        for child in self.running:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout:
                child.stdout.close()
        self.log.close()


NAMES = ["localhost", *(f"w{number}.localhost" for number in range(1, 20))]  # all of them mean this machine


def certificate_of(processes):
    """A certificate for localhost and names below it, and its key."""
    certificate, key = (os.path.join(processes.directory, name) for name in ("certificate.pem", "key.pem"))
    output("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
           "-subj", "/CN=localhost", "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in NAMES), "-keyout", key, "-out", certificate)
    return certificate, key


def write_between(begin, text, end):
    """Has docs/http2.md say that between these marks."""
    page = os.path.join(PROJECT, "docs", "http2.md")
    with open(page, encoding="utf-8") as file:
        before, _, rest = file.read().partition(begin)
    with open(page, "w", encoding="utf-8") as file:
        file.write(before + begin + text + end + rest.partition(end)[2])


def read(report):
    with open(report, encoding="utf-8") as file:
        runs = json.load(file)["runs"]
    if not runs:
        raise CannotRun(f"no case was played; what the peer said is in {os.path.dirname(report)}/peers.log")
    return runs[0]


def is_http2(case):
    return case["id"].startswith("H2W-")


def counts(cases):
    there = [case for case in cases if case["behaviour"] != "UNIMPLEMENTED"]
    failed = [case for case in there if not case["passed"]]
    must = sum(case["level"] == "must" for case in failed)
    strict = sum(case["passed"] and case["behaviour"] == "OK" for case in there)
    return f"{len(there)} | {strict} | {len(there) - len(failed)} | {len(failed)} ({must})"
