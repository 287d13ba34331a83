"""Reads conformance.md and agreement.md back, so that what they say of peers that are not measured here stays.

In: the text of a page. Out: its rows, by peer. What a page does not hold is not there; a row that nothing is known of any more
is an error of the caller, who knows what the rows mean.
"""

import os
import re


def tables(path):
    """(heading of the second order or "", cells of the header, rows of cells) of each table of a page."""
    if not os.path.exists(path):
        return []
    found, heading, rows = [], "", None
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("## "):
                heading = line[3:]
            if not line.startswith("|"):
                rows = None
                continue
            cells = [cell.strip() for cell in line.strip("|\n").split(" | ")]
            if rows is None:
                rows = []
                found.append((heading, cells, rows))
            elif set(line) - set("|-: "):
                rows.append(cells)
    return found


def line(cells):
    return f"| {' | '.join(cells)} |"


def counts(cell):
    """{peer: number of cases} of "ws (2), bun (1)"."""
    return {name: int(number) for name, number in re.findall(r"(\S+) \((\d+)\)", cell)}


def names(cell):
    return cell.split(", ") if cell else []
