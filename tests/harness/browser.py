# SPDX-License-Identifier: MIT
"""A headless Chromium, driven over WebDriver with nothing but http.client.

    with Browser() as b:
        b.open("http://localhost:9090/")
        b.script("return document.title")
"""

import base64
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time

from .server import free_port


def found():
    """The paths of Chromium and its driver, or None."""
    driver = shutil.which("chromedriver")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if driver and shutil.which(name):
            return shutil.which(name), driver
    return None


class Browser:
    def __init__(self, width=1240, height=1000):
        self.chromium, self.driver = found()
        self.size = (width, height)

    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="kvns-browser-")
        self.port = free_port()
        self.process = subprocess.Popen(
            [self.driver, "--port=%d" % self.port, "--log-level=SEVERE"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, HOME=self.home, TMPDIR=self.home))
        self.session = None
        try:
            self.session = self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session is not None:
                self.ask("DELETE", "")
        except (OSError, AssertionError):
            pass
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        where = "/session/" + self.session + path if self.session else path
        try:
            c.request(method, where, json.dumps(body) if body is not None
                      else None, {"Content-Type": "application/json"})
            answer = json.loads(c.getresponse().read())["value"]
        finally:
            c.close()
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def begin(self):
        args = ["--headless=new", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--mute-audio",
                "--hide-scrollbars", "--user-data-dir=" + self.home + "/data",
                "--window-size=%d,%d" % self.size]
        want = {"browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "goog:chromeOptions": {"binary": self.chromium, "args": args}}
        limit = time.monotonic() + 60
        while True:
            try:
                return self.ask("POST", "/session", {
                    "capabilities": {"alwaysMatch": want}})["sessionId"]
            except OSError:
                if time.monotonic() > limit or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def script(self, text, *args):
        return self.ask("POST", "/execute/sync",
                        {"script": text, "args": list(args)})

    def until(self, text, seconds=30, *args):
        """Run a script until what it returns is true."""
        limit = time.monotonic() + seconds
        while True:
            got = self.script(text, *args)
            if got:
                return got
            assert time.monotonic() < limit, "in vain: " + text
            time.sleep(0.05)

    def keys(self, text):
        """Type into what has the focus."""
        actions = [{"type": kind, "value": c} for c in text
                   for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [
            {"type": "key", "id": "keys", "actions": actions}]})

    def devtools(self, command, **params):
        return self.ask("POST", "/goog/cdp/execute",
                        {"cmd": command, "params": params})

    def log(self, kind="browser"):
        return self.ask("POST", "/se/log", {"type": kind})

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.ask("GET", "/screenshot")))
