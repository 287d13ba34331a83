"""What `server` and `client` share: options, building, child processes that never outlive us, progress, the verdict.

A role is a function role(run) that makes the suite write `run.index`; everything around it is here. The suite exits 0
whatever happened, writes its reports only at the very end and can hang while writing them, so each run is bounded in
time and judged by its report alone.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

import install
import judge

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(HERE)


class CannotRun(Exception):
    """Nothing could be judged: exit code 2."""


# --- the build ---------------------------------------------------------------------------------------------------

def cargo(*arguments, **how):
    try:
        return subprocess.run(["cargo", *arguments], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, check=True, **how).stdout
    except FileNotFoundError:
        raise CannotRun("cargo is not installed") from None
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"cargo {shlex.join(arguments)} failed with exit code {error.returncode}") from None


def metadata():
    return json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))


def target_directory():
    return metadata()["target_directory"]


def package():
    return next(p for p in metadata()["packages"] if p["name"] == "bowsprit")


def build(*what):
    """Builds one executable in release mode, e.g. build("--bin", "bowsprit"), and returns its path."""
    print(f"cargo build --release {' '.join(what)}", flush=True)
    built = cargo("build", "--release", "--quiet", *what, "--message-format=json-render-diagnostics")
    paths = [message["executable"] for message in map(json.loads, built.splitlines()) if message.get("executable")]
    if len(paths) != 1:
        raise CannotRun(f"cargo built {len(paths)} executables where one was expected")
    return paths[0]


# --- one run -----------------------------------------------------------------------------------------------------

class Run:
    """One run of the suite: its cases, its directory, its end in time, and its children."""

    def __init__(self, options, cases, wstest):
        self.options, self.cases, self.wstest = options, cases, wstest
        self.directory = os.path.abspath(options.out)
        self.index = self.path("index.json")
        self.ends_at = time.monotonic() + options.timeout
        self.failures = []  # what went wrong beside the verdicts
        self.crash_ends = True  # some broken peers make single cases of the suite crash; then it goes on with the next
        self.children = contextlib.ExitStack()

    def path(self, name):
        return os.path.join(self.directory, name)

    def clear_directory(self):
        """Empties the report directory, if it is one of ours."""
        marker = self.path("made-by-autobahn-harness")
        if os.path.isdir(self.directory) and os.listdir(self.directory):
            if not os.path.exists(marker):
                raise CannotRun(f"{self.directory} is not empty and holds no earlier report: name another --out")
            shutil.rmtree(self.directory)
        os.makedirs(self.directory, exist_ok=True)
        open(marker, "w").close()

    def write_spec(self, **spec):
        with open(self.path("spec.json"), "w", encoding="utf-8") as file:
            json.dump({"outdir": self.directory, "cases": self.cases, "exclude-cases": [], "exclude-agent-cases": {},
                       **spec}, file, indent=1)

    def start(self, log, command):
        """Starts a process with its output in a file of the report directory; it is ended when the run is."""
        with open(self.path(log), "wb") as output:
            try:
                child = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output,
                                         stderr=subprocess.STDOUT)
            except OSError as error:
                raise CannotRun(f"{command[0]}: {error}") from None
        self.children.callback(end, child)
        return child

    def start_wstest(self, mode, *arguments):
        return self.start("wstest.log", [self.wstest, "-m", mode, "-s", self.path("spec.json"), *arguments])

    def log(self, name):
        """What a child has written so far; nothing if it was not started yet."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def tail(self, name):
        return f"{name}:\n" + "\n".join(self.log(name).splitlines()[-15:])

    def until(self, done, what):
        """Waits for done(), showing which group the suite is at; CannotRun at the end of the time or on a crash."""
        shown = None
        while not done():
            log = self.log("wstest.log")  # empty before the suite is started
            if self.crash_ends and "Traceback (most recent call last)" in log:
                raise CannotRun(f"the suite crashed; {self.tail('wstest.log')}")
            groups = re.findall(r"Running test case ID (\d+)", log[-4000:])
            if groups and groups[-1] != shown:
                shown = groups[-1]
                print(f"group {shown}", flush=True)
            if time.monotonic() > self.ends_at:
                raise CannotRun(f"{what} did not end within {self.options.timeout} s")
            time.sleep(0.2)


def end(child):
    """Ends one process that we started, if it is still there."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


# --- the suite as a server --------------------------------------------------------------------------------------

KEEPERS = []  # the sockets that keep the ports of this run


def reserved_port():
    """A port that nobody else is given while this process is there.

    A socket that never listens keeps it; a server that sets SO_REUSEADDR, as the suite does, can listen there all the same."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    KEEPERS.append(keeper)
    return keeper.getsockname()[1]


def listening(suite, port):
    """True once the suite listens, False when it ended instead."""
    while suite.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 60).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def start_suite(run):
    port = reserved_port()
    url = f"ws://127.0.0.1:{port}"
    run.write_spec(url=url)
    if not listening(run.start_wstest("fuzzingserver", "-u", "0"), port):  # -u 0: no web page beside it
        raise CannotRun(f"the suite does not listen; {run.tail('wstest.log')}")
    return url


def complete(index):
    try:
        judge.load(index)
        return True
    except judge.Unusable:
        return False


# --- the command -------------------------------------------------------------------------------------------------

def arguments(role, description):
    parser = argparse.ArgumentParser(
        prog=f"autobahn/{role}", description=description,
        epilog="exit code: 0 every verdict is good, 1 a verdict is bad, 2 could not run")
    parser.add_argument("--groups", metavar="LIST",
                        help="groups or cases, e.g. 1-7,10 or 6.4,9.1.6 (default: all that this build supports)")
    parser.add_argument("--out", metavar="DIR",
                        help=f"where the reports go (default: target/autobahn/{role}); open index.html there")
    parser.add_argument("--timeout", metavar="SECONDS", type=float,
                        help="end the run after this time (default: 1200, with groups 12 and 13 7200)")
    parser.add_argument("--commit-table", action="store_true",
                        help=f"write the result table autobahn/results-{role}.md")
    return parser


def has_deflate(cases):
    return any(case_id.startswith(("12.", "13.")) for case_id in cases)


def main(role, options, role_function):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(2))  # unwinds, and so ends the children
    try:
        return judged_run(role, options, role_function)
    except (CannotRun, install.CannotInstall, judge.Unusable) as error:
        print(f"could not run: {error}", file=sys.stderr)
        return 2


def judged_run(role, options, role_function):
    if options.groups is None:
        options.groups = "1-10,12-13" if "deflate" in package()["features"] else "1-10"
    cases, expectations = judge.select(judge.all_cases(), options.groups), judge.read_expectations()
    if options.timeout is None:
        options.timeout = 7200 if has_deflate(cases) else 1200
    home = os.path.join(target_directory(), "autobahn")
    options.out = options.out or os.path.join(home, role)
    wstest = install.install(home)
    run = Run(options, cases, wstest)
    run.clear_directory()
    with run.children:
        role_function(run)
    try:
        results = judge.load(run.index)
    except judge.Unusable as error:
        raise CannotRun("\n".join([*run.failures, str(error), run.tail("wstest.log")])) from None
    good = judge.print_verdict(results, cases, expectations)
    for failure in run.failures:
        print(f"BAD {failure}")
    print(f"reports: {os.path.relpath(run.path('index.html'))}")
    if options.commit_table:
        table = judge.markdown(f"Autobahn results: bowsprit as {role}", facts(role, options), results, cases,
                               expectations)
        with open(os.path.join(HERE, f"results-{role}.md"), "w", encoding="utf-8") as file:
            file.write(table)
        print(f"written: autobahn/results-{role}.md")
    return 0 if good and not run.failures else 1


def facts(role, options):
    pinned = dict(line.split("==") for line in judge.content_lines(os.path.join(HERE, "requirements-suite.txt")))
    return [
        ("date", datetime.date.today().isoformat()),
        ("tested", f"bowsprit {package()['version']}, release build"),
        ("machine", machine()),
        ("command", f"`autobahn/{role} --groups {options.groups} --commit-table`"),
        ("suite", f"autobahntestsuite {pinned['autobahntestsuite']}, ported to Python 3 by `autobahn/port.py`, "
                  f"on Python {platform.python_version()}"),
    ]


def machine():
    kind = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = re.search(r"model name\s*:\s*(.+)", file.read())
        return f"{kind}, {model[1].strip()}" if model else kind
    except OSError:
        return kind
