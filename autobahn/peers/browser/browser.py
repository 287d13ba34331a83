"""A browser, headless, with a profile of its own, on a page that is served here: browser.py chromium | firefox-esr client URL"""

import functools
import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "tests", "peers"))
import browsers  # noqa: E402  (the tests start the same ones)


class Page(http.server.BaseHTTPRequestHandler):
    def __init__(self, told, *args):
        self.told = told
        super().__init__(*args)

    def do_GET(self):
        with open(os.path.join(HERE, "page.html"), "rb") as file:
            body = file.read()
        self.answer(200, body)

    def do_POST(self):
        self.told(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(204)

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    name, _, url = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    words, over = [], threading.Event()

    def told(word):
        words.append(word)
        over.set()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Page, told))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{server.server_port}/?agent={name}#{url}"
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as profile:
        command, environment = browsers.BROWSERS[name](profile, page)
        browser = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        try:
            while not over.wait(1) and browser.poll() is None:
                pass
        finally:
            browser.terminate()
            browser.wait()
    return 0 if words == ["done"] else 1


if __name__ == "__main__":
    sys.exit(main())
