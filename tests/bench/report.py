#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables of docs/performance.md, from the JSON of a run.

    BENCH_DIR=DIR make bench-all benchmark-memory benchmark-stalls ...
    BENCH_DIR=DIR report.py

Each table stands between <!-- NAME.json --> and <!-- end --> and is replaced
where DIR has that file; without it, it stays.
"""

import json
import os
import re
import sys

from common import TOP

PAGE = os.path.join(TOP, "docs", "performance.md")


def markdown(rows):
    lines = ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(lines)


def number(x, form="%.0f"):
    return "-" if x is None else form % x


def bench(data):
    results = data["results"]
    servers = []
    for result in results.values():
        servers += [s for s in result["servers"] if s not in servers]
    rows = [["ns of CPU an operation"] + servers +
            ["kvns x null", "aim", "redis / kvns"]]
    for name, result in results.items():
        cpu = {s: f["cpu_ns"] for s, f in result["servers"].items()}

        def ratio(a, b):
            return "%.2f" % (cpu[a] / cpu[b]) if a in cpu and b in cpu else "-"

        rows.append([name] + [number(cpu.get(s)) for s in servers] +
                    [ratio("kvns", "null"),
                     number(result.get("aim"), "%.2f"),
                     ratio("redis", "kvns")])
    return rows


def memory(data):
    rows = None
    for title, result in data["results"].items():
        names = list(result["bytes"])
        rows = rows or [["bytes"] + names + ["aim"]]
        cells = []
        for name in names:
            figures = [f for f in result["bytes"][name] if f is not None]
            cells.append(number(sum(figures) / len(figures), "%.1f")
                         if figures else "-")
        rows.append([title] + cells + [result["aim"]])
    return rows


def stalls(data):
    return [["work", "server", "median ms", "99.9 %", "longest"]] + [
        [s["work"], s["server"]] + ["%.2f" % x for x in s["waits"][1:]]
        for s in data["stalls"] if s["waits"][0] > 0]


def latency(data):
    return [["GETs a second", "server", "median us", "99 %", "99.9 %",
             "longest"]] + [
        [r["rate"], r["server"]] + ["%.0f" % us for us in r["us"]]
        for r in data["results"]]


def profiles(data):
    servers = list(data["results"])
    rows = [["50 clients, 256 bytes"] + servers]
    for metric in data["results"][servers[0]]:
        both = [data["results"][s][metric] for s in servers]
        rows.append([metric + ", thousand/s"] +
                    ["%.0f" % (ops / 1000) for ops, _ in both])
        rows.append([metric + ", mean ms"] + ["%.3f" % ms for _, ms in both])
    return rows


def growth(data):
    return [["what grows", "to"] + data["columns"]] + [
        [r["axis"], r["at"]] + [number(ns) for ns in r["cpu_ns"]]
        for r in data["rows"]]


TABLES = {"bench": bench, "memory": memory, "stalls": stalls,
          "latency": latency, "profiles": profiles,
          "growth": growth}


def main():
    directory = os.environ.get("BENCH_DIR")
    if not directory:
        sys.exit("report.py: BENCH_DIR says where the JSON files are")
    with open(PAGE) as f:
        page = f.read()
    for name, make in TABLES.items():
        path = os.path.join(directory, name + ".json")
        if not os.path.exists(path):
            print("%s.json is not there: its table stays" % name)
            continue
        with open(path) as f:
            data = json.load(f)
        machine = data.get("machine", {})
        text = "<!-- %s.json -->\n%s\n\n%s, %s cores, %s\n<!-- end -->" % (
            name, markdown(make(data)), machine.get("cpu", "?"),
            machine.get("cores", "?"), machine.get("system", "?"))
        page, n = re.subn(r"<!-- %s\.json -->.*?<!-- end -->" % name,
                          lambda _: text, page, flags=re.S)
        if n != 1:
            sys.exit("report.py: no place for %s in %s" % (name, PAGE))
    with open(PAGE, "w") as f:
        f.write(page)
    print("written to %s" % PAGE)


if __name__ == "__main__":
    main()
