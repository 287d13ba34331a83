#!/usr/bin/env python3
"""The judge must be able to say no: each test gives it one flaw. Run: python3 autobahn/test_judge.py"""

import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judge  # noqa: E402
import kept  # noqa: E402

WANTED = ["1.1.1", "3.2", "6.4.1", "7.1.6", "7.13.1", "12.1.1"]


def good_results():
    def entry(behavior="OK", close="OK", code=1000):
        return {"behavior": behavior, "behaviorClose": close, "remoteCloseCode": code, "duration": 5,
                "reportfile": "x.json"}
    results = {case_id: entry() for case_id in WANTED}
    results["7.1.6"] = entry("INFORMATIONAL", "INFORMATIONAL")
    results["7.13.1"] = entry("INFORMATIONAL", "INFORMATIONAL", 1002)
    return results


def problems(results, wanted=WANTED):
    return judge.judge(results, wanted, judge.read_expectations())


class Verdict(unittest.TestCase):
    def flawed(self, case_id, **change):
        results = good_results()
        results[case_id].update(change)
        found = problems(results)
        self.assertEqual([case_id], [c for c, _ in found], found)
        return found[0][1]

    def test_good_is_good(self):
        self.assertEqual([], problems(good_results()))

    def test_bad_behaviour(self):
        for behavior in ("FAILED", "NON-STRICT", "UNIMPLEMENTED", "INFORMATIONAL", "WRONG CODE", "", None, "ok"):
            self.assertIn("behaviour", self.flawed("1.1.1", behavior=behavior))
        self.flawed("3.2", behavior="NON-STRICT")
        self.flawed("6.4.1", behavior="NON-STRICT")
        self.flawed("12.1.1", behavior="UNIMPLEMENTED")

    def test_bad_close(self):
        for close in ("FAILED", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT", "INFORMATIONAL", None):
            self.assertIn("close", self.flawed("1.1.1", behaviorClose=close))

    def test_a_permitted_case_is_permitted_only_what_is_written(self):
        self.flawed("7.1.6", behavior="FAILED")
        self.flawed("7.13.1", behaviorClose="UNCLEAN")
        self.flawed("7.13.1", behavior="NON-STRICT")

    def test_missing_entry_fields(self):
        results = good_results()
        results["1.1.1"] = {}
        self.assertEqual({"1.1.1"}, {c for c, _ in problems(results)})

    def test_an_expectation_out_of_date_is_bad(self):
        self.assertIn("out of date", self.flawed("7.1.6", behavior="OK", behaviorClose="OK"))

    def test_missing_case(self):
        results = good_results()
        del results["6.4.1"]
        self.assertEqual(["6.4.1"], [c for c, _ in problems(results)])

    def test_same_count_but_another_case(self):
        results = good_results()
        results["1.1.2"] = results.pop("1.1.1")
        self.assertEqual(["1.1.1", "1.1.2"], [c for c, _ in problems(results)])

    def test_no_results_at_all(self):
        self.assertEqual(len(WANTED), len(problems({})))


class Selection(unittest.TestCase):
    cases = judge.all_cases()

    def test_the_case_list_itself(self):
        counts = {}
        for case_id in self.cases:
            counts[judge.sort_key(case_id)[0]] = counts.get(judge.sort_key(case_id)[0], 0) + 1
        self.assertEqual({1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}, counts)
        self.assertEqual(517, len(set(self.cases)))

    def test_groups_ranges_and_ids(self):
        count = lambda text: len(judge.select(self.cases, text))
        self.assertEqual(517, count("1-13"))
        self.assertEqual(247, count("1-7,10"))
        self.assertEqual(16, count("1"))
        self.assertEqual(4, count("6.4"))
        self.assertEqual(1, count("12.1.1"))
        self.assertEqual(16, count("1,1.1,1.1.1"))

    def test_nonsense(self):
        for text in ("", "8", "11", "99", "x", "1,,2", "1.1.1.1", "*", "7-"):
            with self.assertRaises(judge.Unusable, msg=text):
                judge.select(self.cases, text)


class Files(unittest.TestCase):
    def written(self, text):
        file = tempfile.NamedTemporaryFile("w", suffix=".json", delete=False)
        self.addCleanup(os.unlink, file.name)
        with file:
            file.write(text)
        return file.name

    def test_reports_that_are_none(self):
        for text in ("", "{", "{}", '{"bowsprit": {}}', json.dumps({"a": good_results(), "b": good_results()})):
            with self.assertRaises(judge.Unusable, msg=text[:20]):
                judge.load(self.written(text))
        with self.assertRaises(judge.Unusable):
            judge.load(self.written(json.dumps({"other": good_results()})), "bowsprit")
        with self.assertRaises(judge.Unusable):
            judge.load("no/such/index.json")

    def test_an_expectation_needs_a_reason(self):
        for line in ("7.1.6", "7.1.6 INFORMATIONAL", "8.1 FAILED reason", "1.1.1 FINE reason", "1.1.1 OK reason",
                     "1.1.1 FAILED reason\n1.1.1 NON-STRICT reason"):
            with self.assertRaises(judge.Unusable, msg=line):
                judge.read_expectations(self.written(line))

    def test_only_the_three_informational_cases_are_permitted(self):
        self.assertEqual({"7.1.6", "7.13.1", "7.13.2"}, set(judge.read_expectations()))
        self.assertEqual({"INFORMATIONAL"}, {e.verdict for e in judge.read_expectations().values()})


class Table(unittest.TestCase):
    def test_spans(self):
        self.assertEqual("1.1.1 to 1.1.3, 1.2.1, 2.1", judge.compact(["2.1", "1.1.3", "1.1.2", "1.1.1", "1.2.1"]))

    def test_every_case_and_problem_is_in_the_markdown(self):
        results = good_results()
        results["3.2"]["behavior"] = "NON-STRICT"
        del results["12.1.1"]
        text = judge.markdown("Title", [("date", "today")], results, WANTED, judge.read_expectations())
        for part in ("# Title", "- date: today", "verdict: bad, 6 cases, 2 problems", "| missing |  | 12.1.1 |",
                     "| NON-STRICT | 1000 | 3.2 |", "- 3.2: behaviour NON-STRICT", "- 7.1.6 INFORMATIONAL: "):
            self.assertIn(part, text)


class Recorded(unittest.TestCase):
    """What is read back of a page is what stands there, row for row: else a peer that is not played again changes."""

    def test_every_row_comes_back(self):
        for page, count in (("conformance.md", 6), ("agreement.md", 2)):
            path = os.path.join(os.path.dirname(os.path.abspath(kept.__file__)), page)
            tables = kept.tables(path)
            self.assertEqual(count, len(tables))
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
            written = [line for before, line in zip(lines, lines[1:]) if line.startswith("|") and before.startswith("|")
                       and set(line) - set("|-: ")]
            read = [kept.line(cells) for _, _, rows in tables for cells in rows]
            self.assertEqual(written, read)

    def test_counts_belong_to_their_peers(self):
        self.assertEqual({"ws": 2, "uvicorn-wsproto": 15}, kept.counts("ws (2), uvicorn-wsproto (15)"))
        self.assertEqual([], kept.names(""))


if __name__ == "__main__":
    unittest.main()
