"""Writes docs/proxies.md from the JSON reports of `docs/proxies/run`, or with --http2 the part of it on HTTP/2 fronts.

    docs/proxies/table.py [--http2] PAGE REPORT...

The safety family, and whatever is UNSAFE elsewhere, is named with no product: nobody should look here for a proxy to
attack. Elsewhere it is counted among what is neither transparent, repaired, altered nor refused.
"""

import datetime
import json
import pathlib
import sys

FAMILIES = [("PRX-REQ", "request"), ("PRX-ANS", "answer"), ("PRX-ERL", "early data"), ("PRX-TUN", "tunnel"), ("PRX-END", "end")]
TOLD = ("TRANSPARENT", "REPAIRED", "ALTERED", "REFUSED")
HEAD = """# Proxies

What proxies of others do with what passes through them, as `docs/proxies/run --table` saw it on 2026-11-28 on a machine with
2 vCPUs that others used, too. The configuration of each is in [`docs/proxies/run`](proxies/run): the least that passes
WebSocket through; `_pypi` is the binary in a PyPI wheel, the others are from Debian 12. Another configuration can give
another result.

Each cell counts cases: transparent / repaired / altered / refused / other. What is repaired, altered or refused is no fault
where the rule leaves it to a proxy; the last column names the rules of level *must* that were broken, by the case that shows
it (`bowsprit explain PRX-…`). lighttpd and nghttpx were run with `-- --jobs 1`: they stay away from an origin for a while once
it was not there. The safety family is played as well and is not in the table.

"""
BELOW = """
websockify ends WebSocket itself and passes its payload on over TCP, so that no handshake reaches an origin: it is no proxy in
this sense.

What waits for a proxy's own time-outs, and 100 MB each way, is played with `--slow`:
`docs/proxies/run nginx haproxy traefik caddy_pypi -- --slow --case PRX-TUN-017,PRX-TUN-018,PRX-TUN-019,PRX-TUN-026,PRX-END-022,PRX-SAF-012`
(2026-11-29). 100 MB come out as they were sent, and nothing is written into 75 s of silence by any of the four. nginx answers
itself for an origin that gives no answer for 60 s, and ends a tunnel in which nothing passes for as long (`proxy_read_timeout`);
haproxy with the 120 s of our configuration, traefik and caddy keep both for 75 s and longer.

`docs/proxies/run --behind` plays `bowsprit test server --behind-proxy` through each, with `bowsprit serve` behind. On the same day
no required case failed through any of nginx (both), haproxy (both), apache, squid, varnish, lighttpd, caddy (both), nghttpx, h2o,
traefik and stunnel: 0 to 25 handshakes did not reach the server as they were sent.

"""


BEGIN, END = "<!-- printed by docs/proxies/run --http2 --table -->\n", "<!-- end of what was printed -->\n"
HTTP2 = """
## An HTTP/2 front

The same cases with a client that speaks WebSocket over HTTP/2 (RFC 8441, without TLS) and an origin that speaks HTTP/1.1, as
`docs/proxies/run --http2 --table` saw it on {date} on a machine with 2 vCPUs. {absent} of the {all} cases are about what HTTP/2
does not have, and were not played. A TCP connection's end is END_STREAM there, and its reset RST_STREAM (RFC 8441 §5).

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
