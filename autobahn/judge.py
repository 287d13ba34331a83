#!/usr/bin/env python3
"""Reads what the Autobahn suite wrote (index.json) and says whether it is good enough.

    judge.py INDEX.json [--groups 1-7,10]

Exit code 0: every wanted case is there, and each is OK with a clean close, or deviates in a way that
expectations.txt permits. 1: anything else. 2: nothing to judge.

The suite itself always exits 0, also when it never got a connection; this file is the only judge.
"""

import argparse
import collections
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Unusable(Exception):
    """There is nothing to judge: no report, no such group, a broken expectations file."""


def sort_key(case_id):
    return [int(part) for part in case_id.split(".")]


def content_lines(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if line and not line.startswith("#"):
                yield line


def all_cases(path=os.path.join(HERE, "cases.txt")):
    return list(content_lines(path))


def select(cases, wanted):
    """The cases named by a list such as "1-7,10" or "6.4,9.1.6": groups, ranges of groups, or parts of an id."""
    chosen = set()
    for item in wanted.replace(" ", "").split(","):
        span = re.fullmatch(r"(\d+)-(\d+)", item)
        if span:
            low, high = int(span[1]), int(span[2])
            found = {c for c in cases if low <= sort_key(c)[0] <= high}
        elif re.fullmatch(r"\d+(\.\d+)*", item):
            parts = item.split(".")
            found = {c for c in cases if c.split(".")[: len(parts)] == parts}
        else:
            raise Unusable(f"not a group, a range of groups or a case: {item!r}")
        if not found:
            raise Unusable(f"no case in {item!r}")
        chosen |= found
    return sorted(chosen, key=sort_key)


Expectation = collections.namedtuple("Expectation", "verdict reason")

PERMITTABLE = ("NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED")


def read_expectations(path=os.path.join(HERE, "expectations.txt")):
    known, expectations = set(all_cases()), {}
    for line in content_lines(path):
        fields = line.split(None, 2)
        if len(fields) < 3:
            raise Unusable(f"{path}: a case, a verdict and a reason are needed: {line!r}")
        case_id, verdict, reason = fields
        if case_id not in known or case_id in expectations or verdict not in PERMITTABLE:
            raise Unusable(f"{path}: unknown case, case named twice, or unknown verdict: {line!r}")
        expectations[case_id] = Expectation(verdict, reason)
    return expectations


def judge(results, wanted, expectations):
    """(case, what is wrong with it) for every case that says no. `results` maps case ids to the suite's entries."""
    problems = []
    for case_id in sorted(set(wanted) - set(results), key=sort_key):
        problems.append((case_id, "no result: the case was not run, or its report was not written"))
    for case_id in sorted(set(results) - set(wanted), key=sort_key):
        problems.append((case_id, "a result that was not asked for"))
    for case_id in sorted(set(wanted) & set(results), key=sort_key):
        behavior, close, code = verdict_of(results[case_id])
        permitted = expectations.get(case_id)
        allowed = ("OK", permitted.verdict) if permitted else ("OK",)
        found = []
        if behavior not in allowed:
            found.append(f"behaviour {behavior}")
        if close not in allowed:
            found.append(f"close {close} (peer sent {code})")
        if permitted and behavior == close == "OK":
            found.append(f"OK, so its expectation ({permitted.verdict}) is out of date: remove it")
        if found:
            problems.append((case_id, ", ".join(found)))
    return sorted(problems, key=lambda problem: sort_key(problem[0]))


def verdict_of(entry):
    code = entry.get("remoteCloseCode")
    return entry.get("behavior"), entry.get("behaviorClose"), "no code" if code is None else code


def load(path, agent=None):
    """The entries of the one agent in index.json."""
    try:
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
    except (OSError, ValueError) as error:
        raise Unusable(f"no readable report: {error}")
    if agent is None and len(index) == 1:
        agent = next(iter(index))
    if set(index) != {agent}:
        raise Unusable(f"one agent expected in the report, found {sorted(index) or 'none'}")
    if not index[agent]:
        raise Unusable("the report holds no case")
    return index[agent]


def summary(results, wanted):
    """Rows (group, cases, seconds, {verdict: count}); the verdict is the behaviour, with the close where that is worse."""
    rows = {}
    for case_id in wanted:
        group = sort_key(case_id)[0]
        row = rows.setdefault(group, [group, 0, 0.0, collections.Counter()])
        row[1] += 1
        if case_id in results:
            row[2] += results[case_id].get("duration", 0) / 1000
            row[3][label(results[case_id])] += 1
        else:
            row[3]["missing"] += 1
    return [rows[group] for group in sorted(rows)]


def label(entry):
    behavior, close, _ = verdict_of(entry)
    return behavior if close in ("OK", behavior) else f"{behavior}, close {close}"


def columns_of(rows):
    names = set().union(*(row[3] for row in rows))
    return sorted(names, key=lambda name: (name != "OK", name))


def print_table(rows):
    names = columns_of(rows)
    total = collections.Counter()
    print("group  cases  seconds  " + "  ".join(names))
    for group, cases, seconds, counts in rows:
        total.update(counts)
        print(f"{group:>5}  {cases:>5}  {seconds:>7.1f}  " + "  ".join(f"{counts[n]:>{len(n)}}" for n in names))
    print(f"{'all':>5}  {sum(r[1] for r in rows):>5}  {sum(r[2] for r in rows):>7.1f}  "
          + "  ".join(f"{total[n]:>{len(n)}}" for n in names))


def print_verdict(results, wanted, expectations):
    """Prints the table and every problem; True when there is none."""
    print_table(summary(results, wanted))
    for case_id in wanted:
        if case_id in expectations and case_id in results and label(results[case_id]) != "OK":
            print(f"permitted: {case_id} {label(results[case_id])} ({expectations[case_id].reason})")
    problems = judge(results, wanted, expectations)
    for case_id, problem in problems:
        report = results.get(case_id, {}).get("reportfile", "")
        print(f"BAD {case_id}: {problem}" + (f", see {report.replace('.json', '.html')}" if report else ""))
    print(f"verdict: {'good' if not problems else 'bad'}, {len(wanted)} cases, {len(problems)} problems")
    return not problems


def compact(case_ids):
    """"1.1.1-1.1.4" style: the last numbers of neighbouring ids folded into spans."""
    spans = []
    for case_id in sorted(case_ids, key=sort_key):
        key = sort_key(case_id)
        if spans and spans[-1][1][:-1] == key[:-1] and spans[-1][1][-1] + 1 == key[-1]:
            spans[-1][1] = key
        else:
            spans.append([key, key])
    dotted = lambda key: ".".join(map(str, key))
    return ", ".join(dotted(a) if a == b else f"{dotted(a)} to {dotted(b)}" for a, b in spans)


def markdown(title, facts, results, wanted, expectations):
    """The result table that is committed. `facts` are (name, value) lines for its head."""
    rows = summary(results, wanted)
    names = columns_of(rows)
    problems = judge(results, wanted, expectations)
    out = [f"# {title}", ""]
    out += [f"- {name}: {value}" for name, value in facts]
    out += [f"- verdict: {'good' if not problems else 'bad'}, {len(wanted)} cases, {len(problems)} problems", ""]
    out += ["| group | cases | " + " | ".join(names) + " |", "| ---: | ---: |" + " ---: |" * len(names)]
    for group, cases, _, counts in rows:
        out.append(f"| {group} | {cases} | " + " | ".join(str(counts[n]) for n in names) + " |")
    total = sum((row[3] for row in rows), collections.Counter())
    out.append(f"| **all** | **{len(wanted)}** | " + " | ".join(f"**{total[n]}**" for n in names) + " |")
    out += ["", "Every case, by its verdict and the close code that we sent:", "",
            "| verdict | close code | cases |", "| --- | --- | --- |"]
    classes = collections.defaultdict(list)
    for case_id in wanted:
        if case_id in results:
            classes[label(results[case_id]), str(verdict_of(results[case_id])[2])].append(case_id)
        else:
            classes["missing", ""].append(case_id)
    for (verdict, code), case_ids in sorted(classes.items(), key=lambda item: (item[0][0] != "OK", item[0])):
        out.append(f"| {verdict} | {code} | {compact(case_ids)} |")
    if problems:
        out += ["", "Problems:", ""] + [f"- {case_id}: {problem}" for case_id, problem in problems]
    permitted = [c for c in wanted if c in expectations]
    if permitted:
        out += ["", "Permitted deviations:", ""]
        out += [f"- {c} {expectations[c].verdict}: {expectations[c].reason}" for c in permitted]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Judge an Autobahn report.")
    parser.add_argument("index")
    parser.add_argument("--groups", default="1-13", help="what must be in it, e.g. 1-7,10 or 6.4,9.1.6 (default: all 517)")
    options = parser.parse_args()
    try:
        wanted = select(all_cases(), options.groups)
        good = print_verdict(load(options.index), wanted, read_expectations())
    except Unusable as error:
        print(f"cannot judge: {error}", file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
