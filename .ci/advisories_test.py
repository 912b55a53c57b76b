"""Tests of advisories.py: `python3 -m unittest discover --start-directory .ci --pattern '*_test.py'`."""

import datetime
import unittest

from advisories import complaint

TODAY = datetime.date(2026, 6, 1)


class Age(unittest.TestCase):
    def fails_at(self, days):
        """Whether data of this age fails the check, and `None` if nothing is said."""
        found = complaint(TODAY - datetime.timedelta(days=days), TODAY)
        return found and found[0]

    def test_old_data_is_a_warning_and_outdated_data_a_failure(self):
        ages = {-2: True, -1: None, 0: None, 90: None, 91: False, 365: False, 366: True}
        self.assertEqual({days: self.fails_at(days) for days in ages}, ages)

    def test_the_age_and_the_date_are_named(self):
        _, text = complaint(datetime.date(2026, 1, 1), TODAY)
        self.assertEqual(text, "the advisory data is 151 days old: advisories since 2026-01-01 are not checked")


if __name__ == "__main__":
    unittest.main()
