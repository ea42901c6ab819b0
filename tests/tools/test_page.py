# SPDX-License-Identifier: MIT
"""The status page in a browser: headless Chromium."""

import json
import os
import threading
import time

import pytest

from harness import browser
from harness.resp import encode
from harness.server import free_port

pytestmark = pytest.mark.timeout(180)

TAB, ENTER = "\ue004", "\ue007"


@pytest.fixture(scope="module")
def chromium():
    if browser.found() is None:
        pytest.skip("chromium and chromedriver are not installed")
    with browser.Browser() as b:
        yield b


class Load:
    """Commands in several namespaces, until it is told to stop."""

    def __init__(self, server):
        self.server = server
        self.stop = False
        self.rate = 1
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with self.server.raw() as raw:
            i = 0
            while not self.stop:
                words = []
                for _ in range(50 * self.rate):
                    i += 1
                    ns = ("", "shop/", "auth/", "cache/")[i % 4]
                    words.append(encode("SET", "%sk%d" % (ns, i % 500),
                                        "x" * (i % 4 * 100)))
                    words.append(encode("GET", "%sk%d" % (ns, i % 700)))
                raw.send(b"".join(words))
                raw.read_many(len(words))
                time.sleep(0.02)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


@pytest.fixture
def watched(fresh_server, config_name, tmp_path):
    if config_name == "redis":
        pytest.skip("redis-server has no page")
    port = free_port()
    s = fresh_server(metrics_host="127.0.0.1", metrics_port=port,
                     ns_limits="cache:1mb", memory_limit="64mb",
                     persist_path=str(tmp_path / "dump.rdb"),
                     persist_interval=0)
    return s, "http://127.0.0.1:%d/" % port


def names(b):
    return b.script("return [...document.querySelectorAll('#ns tbody th')]"
                    ".map(e => e.textContent)")


def column(b, n):
    return b.script("return [...document.querySelectorAll('#ns tbody tr')]"
                    ".map(r => r.cells[arguments[0]].textContent)", n)


def number(text):
    return float(text.replace(",", "").split()[0])


def press(b, title):
    b.script("[...document.querySelectorAll('#ns thead button')]"
             ".find(e => e.textContent === arguments[0]).click()", title)


def test_values_change_under_load(chromium, watched):
    b, (server, url) = chromium, watched
    b.log("performance")
    b.open(url)
    b.until("return document.getElementById('state').textContent"
            " === 'running'")
    assert names(b) == ["cache", "default"]
    with Load(server) as load:
        b.until("return document.querySelectorAll('#ns tbody tr').length"
                " === 4")
        ops = b.until("const n = document.getElementById('ops').textContent;"
                      "return parseFloat(n.replace(',', '')) > 500 && n")
        load.rate = 4
        b.until("return document.getElementById('ops').textContent !== "
                "arguments[0]", 30, ops)
        for field in ("p50", "hit", "used", "clients"):
            text = b.script("return document.getElementById("
                            "arguments[0]).textContent", field)
            assert text not in ("", "-"), field
        b.until("return document.querySelector('#opsline path.l')"
                ".getAttribute('d').split('L').length > 2")
        b.until("return [...document.querySelectorAll('#busy tbody th')]"
                ".map(e => e.textContent).sort().join().startsWith('get,')"
                " || document.querySelector('#busy tbody')"
                ".textContent.includes('get')")
        cells = dict(zip(names(b), column(b, 3)))
        assert "of 1.0 MiB" in cells["cache"] and cells["shop"] == ""
    assert [e for e in b.log() if e["level"] == "SEVERE"] == []
    # No request to anybody else.
    for entry in b.log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            to = message["params"]["request"]["url"]
            assert to.startswith((url, "data:", "about:", "chrome:")), to


def test_sorted_and_searched(chromium, watched):
    b, (server, url) = chromium, watched
    with server.raw() as raw:
        for ns, n in (("zebra", 3), ("apple", 30), ("mango", 12)):
            for i in range(n):
                raw.ok("SET", "%s/%d" % (ns, i), "x" * (400 // n))
        raw.ok("SET", "<script>window.hacked=1</script>/k", "v")
        raw.ok("SET", '"><img src=x onerror=window.hacked=1>/k', "v")
        raw.ok("SET", "&lt;b&gt;/k", "v")
    b.open(url)
    b.until("return document.querySelectorAll('#ns tbody tr').length === 8")
    press(b, "Keys")
    assert names(b)[:3] == ["apple", "mango", "zebra"]
    sort = ("return document.querySelector('#ns th[data-key=keys]')"
            ".getAttribute('aria-sort')")
    assert b.script(sort) == "descending"
    press(b, "Keys")
    assert names(b)[-1] == "apple" and b.script(sort) == "ascending"
    press(b, "Namespace")
    assert names(b) == sorted(names(b))
    # Names are shown as they are, and nothing of them is carried out.
    assert {"<script>window.hacked=1<", "&lt;b&gt;"} <= set(names(b))
    assert b.script("return window.hacked") is None
    assert b.script("return document.querySelector('#ns img, #ns script')"
                    " === null")
    # By keyboard alone: to the search, and from there to the heads.
    b.script("document.getElementById('search').focus()")
    b.keys("AN")
    assert names(b) == ["mango"]
    assert b.script("return document.getElementById('count').textContent"
                    ) == "1 of 8"
    for _ in range(3):      # the table, its first head, its second
        b.keys(TAB)
    assert b.script("return document.activeElement.textContent") == "Keys"
    b.keys(ENTER)
    assert b.script(sort) == "descending"
    b.script("const s = document.getElementById('search'); s.value = '';"
             "s.dispatchEvent(new Event('input'))")
    assert len(names(b)) == 8


def test_many_namespaces(chromium, watched):
    b, (server, url) = chromium, watched
    with server.raw() as raw:
        raw.send(b"".join(encode("SET", "n%04d/k" % i, "v")
                          for i in range(1500)))
        raw.read_many(1500)
    b.open(url)
    b.until("return document.querySelectorAll('#ns tbody tr').length === 100")
    text = b.script("return document.getElementById('count').textContent")
    assert text == "1,001, the first 100 shown"
    b.script("const s = document.getElementById('search');"
             "s.value = 'overflow';"
             "s.dispatchEvent(new Event('input'))")
    assert names(b) == ["overflow"] and number(column(b, 1)[0]) == 501


def test_what_slow_and_failing_looks_like(chromium, watched, tmp_path):
    b, (server, url) = chromium, watched
    with server.raw() as raw:
        raw.ok("CONFIG", "SET", "slowlog-log-slower-than", "0")
        raw.ok("SET", "secret-key", "secret-value")
        raw.ok("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        raw.ok("SAVE")
        (tmp_path / "dump.rdb").unlink()
        (tmp_path / "dump.rdb").mkdir()
        (tmp_path / "dump.rdb" / "x").write_text("")
        raw.ok("SET", "k", "v")
        raw.call("SAVE")
    b.open(url)
    b.until("return document.getElementById('state').textContent"
            " === 'the last snapshot failed'")
    assert b.script("return document.getElementById('snap').textContent"
                    ) == "failed"
    slow = b.script("return document.getElementById('slow').textContent")
    assert "set" in slow
    assert "secret" not in b.script("return document.body.innerHTML")
    with server.raw() as raw:
        (tmp_path / "dump.rdb" / "x").unlink()
        (tmp_path / "dump.rdb").rmdir()
        raw.ok("SAVE")
    b.until("return document.getElementById('state').textContent"
            " === 'running'")


def test_a_server_that_is_gone_and_back(chromium, fresh_server, config_name):
    if config_name == "redis":
        pytest.skip("redis-server has no page")
    port = free_port()
    options = {"metrics_host": "127.0.0.1", "metrics_port": port}
    s = fresh_server(**options)
    b = chromium
    b.open("http://127.0.0.1:%d/" % port)
    state = "return document.getElementById('state').textContent"
    b.until(state + " === 'running'")
    s.stop()
    b.until(state + ".startsWith('no answer')")
    fresh_server(**options)
    b.until(state + " === 'running'")


@pytest.mark.parametrize("width", [1240, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(chromium, watched, width, scheme, tmp_path):
    b, (server, url) = chromium, watched
    with server.raw() as raw:
        for i in range(8):
            raw.ok("SET", "%s%d/k" % ("long-name" * i, i), "v" * 300 * i)
    b.devtools("Emulation.setDeviceMetricsOverride", width=width, height=900,
               deviceScaleFactor=1, mobile=width < 500)
    b.devtools("Emulation.setEmulatedMedia", features=[
        {"name": "prefers-color-scheme", "value": scheme}])
    try:
        b.open(url)
        b.until("return document.querySelectorAll('#ns tbody tr').length"
                " === 10")
        # Nothing but the tables' own boxes scrolls sideways.
        assert b.script("return document.documentElement.scrollWidth"
                        ) <= width
        assert b.script(CONTRAST) == []
        picture = os.environ.get("KVNS_PICTURES", str(tmp_path))
        path = os.path.join(picture, "page-%s-%d.png" % (scheme, width))
        b.picture(path)
        assert os.path.getsize(path) > 10000
    finally:
        b.devtools("Emulation.clearDeviceMetricsOverride")
        b.devtools("Emulation.setEmulatedMedia", features=[])


# Texts whose colours are nearer to each other than 4.5 to 1 (WCAG 1.4.3), and
# controls and regions that have no name.
CONTRAST = """
const light = c => {
  const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => {
    v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  });
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = e => {
  for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!/rgba\\(.*, 0\\)/.test(c) && c !== 'transparent') return c;
  }
  return 'rgb(255, 255, 255)';
};
const bad = [];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3
    && n.textContent.trim());
  if (!own || !e.getClientRects().length || e.tagName === 'SCRIPT') continue;
  const a = light(getComputedStyle(e).color), b = light(behind(e));
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5) bad.push(e.tagName + ' ' + ratio.toFixed(2) + ' '
    + e.textContent.slice(0, 30));
}
for (const e of document.querySelectorAll('input, button, [role]'))
  if (!(e.labels && e.labels.length) && !e.textContent.trim()
      && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby'))
    bad.push('no name: ' + e.outerHTML.slice(0, 60));
return bad;
"""
