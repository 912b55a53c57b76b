"""Tests of fuzzed.py: `python3 -m unittest discover --start-directory .ci --pattern '*_test.py'`."""

import unittest

from fuzzed import cases_of, gaps

COMPLETE = """
     Operations:       35 selected / 35 total

 ✅  Stateful (in 27.89s)

     Scenarios:    89
     API Links:    24 covered / 124 selected / 124 total (124 inferred)

     ✅ 89 passed

API Operations:
  Selected: 35/35
  Tested: 35

Test Phases:
  ✅ Examples
  ✅ Coverage
  ✅ Fuzzing
  ✅ Stateful

Test cases:
  4886 generated, 4886 passed, 28 skipped
"""


class Gaps(unittest.TestCase):
    def test_a_complete_run_has_none(self):
        self.assertEqual(cases_of(COMPLETE), 4886)
        self.assertEqual(gaps(COMPLETE), [])

    def test_each_gap_is_named(self):
        for text, other, gap in [
            ("4886 generated", "2999 generated", "2999 cases are fewer than 3000"),
            ("✅ Stateful", "⏭ Stateful", "the phase stateful was not completed"),
            ("✅ Examples\n", "", "the phase examples was not completed"),
            ("Tested: 35", "Tested: 34", "34 of 35 operations were tested"),
            ("24 covered", "0 covered", "no scenario followed a link from one operation to another"),
            ("Scenarios:    89", "Scenarios:    0", "no scenario followed a link from one operation to another"),
        ]:
            with self.subTest(gap=gap):
                self.assertIn(text, COMPLETE)
                self.assertEqual(gaps(COMPLETE.replace(text, other)), [gap])

    def test_no_output_is_no_run(self):
        self.assertEqual(cases_of(""), 0)
        self.assertEqual(len(gaps("")), 7)


if __name__ == "__main__":
    unittest.main()
