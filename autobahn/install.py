#!/usr/bin/env python3
"""Installs the Autobahn testsuite, ported to Python 3, into target/autobahn/venv. Needs Python 3.9 or newer and PyPI.

Calling it again costs nothing: a stamp names the versions and the port that are installed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
INGREDIENTS = ["requirements.txt", "requirements-suite.txt", "port.py"]


class CannotInstall(Exception):
    pass


def stamp_text():
    digest = hashlib.sha256()
    for name in INGREDIENTS:
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    return f"{digest.hexdigest()} {sys.version}"


def install(directory):
    """The path of the `wstest` command, installed below `directory` if it is not there yet."""
    os.makedirs(directory, exist_ok=True)
    environment, stamp = os.path.join(directory, "venv"), os.path.join(directory, "installed")
    wstest = os.path.join(environment, "bin", "wstest")
    with open(os.path.join(directory, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once: the second waits and finds it done
        try:
            with open(stamp, encoding="utf-8") as file:
                if file.read() == stamp_text() and os.path.exists(wstest):
                    return wstest
        except OSError:
            pass
        print("installing the Autobahn testsuite from PyPI", flush=True)
        if os.path.exists(stamp):
            os.unlink(stamp)
        shutil.rmtree(environment, ignore_errors=True)
        try:
            venv.create(environment, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotInstall(f"no virtual environment ({error}); on Debian: apt-get install python3-venv") from error
        python = os.path.join(environment, "bin", "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "-r", os.path.join(HERE, "requirements.txt")])
        run([*pip, "--no-deps", "--no-build-isolation", "--no-compile",
             "-r", os.path.join(HERE, "requirements-suite.txt")])
        run([python, os.path.join(HERE, "port.py")])
        run([wstest, "-a"])
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(stamp_text())
    return wstest


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    if done.returncode != 0:
        raise CannotInstall(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    import harness
    try:
        print(install(os.path.join(harness.target_directory(), "autobahn")))
    except (CannotInstall, harness.CannotRun) as error:
        sys.exit(f"cannot install: {error}")
