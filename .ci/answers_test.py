"""Tests of answers.py: `python3 -m unittest discover --start-directory .ci --pattern '*_test.py'`."""

import json
import unittest

from answers import LEFT_OUT, matches, parse, render

TIME = "2026-11-26T15:38:58.926Z"
JWT = "eyJ0eXAiOiJKV1Qi.eyJpc3Mi.6oEmTWSU_-Q"

PAGE = """\
{
  "count": 3,
  "next": "http://127.0.0.1:3000/api/movies/?limit=1&cursor=…",
  "results": [
    {
      "id": 7,
      …
      "favorite": true,
      …
    },
    …
  ]
}"""


def page_answer(**changes):
    """An answer that `PAGE` shows, with changes to its first movie."""
    movie = {"id": 7, "title": "Alien", "genre": "Horror", "favorite": True, "favorite_count": 1, **changes}
    others = [{"id": 8}, {"id": 9}]
    next_page = "http://127.0.0.1:3000/api/movies/?limit=1&cursor=abc-DEF_9"
    return {"count": 3, "next": next_page, "results": [movie, *others]}


class Matches(unittest.TestCase):
    def test_what_is_shown_must_be_equal(self):
        self.assertTrue(matches(PAGE, page_answer()))
        self.assertFalse(matches(PAGE, page_answer(favorite=False)))
        self.assertFalse(matches(PAGE, page_answer(id=8)))
        self.assertFalse(matches(PAGE, {**page_answer(), "count": 4}))

    def test_what_is_left_out_may_be_anything(self):
        self.assertTrue(matches(PAGE, page_answer(title=["x"], favorite_count=2)))
        self.assertTrue(matches(PAGE, {**page_answer(), "results": [*page_answer()["results"], {"id": 10}]}))

    def test_an_ellipsis_stands_for_something(self):
        only = {**page_answer(), "results": page_answer()["results"][:1]}
        self.assertFalse(matches(PAGE, only))
        movie = {"id": 7, "favorite": True}
        self.assertFalse(matches(PAGE, {**page_answer(), "results": [movie, {}]}))

    def test_an_object_without_an_ellipsis_is_shown_whole(self):
        self.assertFalse(matches(PAGE, {**page_answer(), "previous": None}))
        self.assertFalse(matches(PAGE, {"count": 3, "results": page_answer()["results"]}))

    def test_the_order_of_members_counts(self):
        self.assertTrue(matches('{\n  "a": 1,\n  "b": 2\n}', {"a": 1, "b": 2}))
        self.assertFalse(matches('{\n  "a": 1,\n  "b": 2\n}', {"b": 2, "a": 1}))

    def test_a_shortened_string_must_be_a_longer_string_that_begins_so(self):
        words = "one two three four five six seven eight nine ten eleven twelve thirteen"
        shown = render({"description": words})
        self.assertEqual(json.loads(shown), {"description": "one two three four five six seven eight nine ten eleven…"})
        self.assertTrue(matches(shown, {"description": words + " fourteen"}))
        self.assertFalse(matches(shown, {"description": "another " + words}))
        self.assertFalse(matches(shown, {"description": "one two three four five six seven eight nine ten eleven"}))
        self.assertFalse(matches(shown, {"description": None}))

    def test_a_token_is_shortened_and_must_have_its_form(self):
        shown = '{\n  "access": "eyJ0eXAi…",\n  "refresh": "…"\n}'
        answer = {"access": JWT, "refresh": "r" * 123}
        self.assertEqual(render(answer), shown)
        self.assertTrue(matches(shown, {**answer, "refresh": "s" * 123}))
        self.assertFalse(matches(shown, {**answer, "refresh": "r" * 122}))
        self.assertFalse(matches(shown, {**answer, "refresh": 123}))
        self.assertFalse(matches(shown, {**answer, "access": "eyJ0eXAi"}))
        self.assertFalse(matches(shown, {**answer, "access": "another" + JWT}))

    def test_a_time_may_be_another_time_and_nothing_else(self):
        shown = render({"date_joined": TIME})
        self.assertEqual(json.loads(shown), {"date_joined": TIME})
        self.assertTrue(matches(shown, {"date_joined": "2030-01-01T00:00:00.000Z"}))
        self.assertFalse(matches(shown, {"date_joined": "2030-01-01"}))

    def test_another_indentation_or_no_json_is_a_difference(self):
        self.assertFalse(matches('{"a": 1}', {"a": 1}))
        for broken in ("", "…", "{\n  …\n", '{\n  "a": 1\n  …\n}'):
            self.assertFalse(matches(broken, {"a": 1}), broken)


class Render(unittest.TestCase):
    def test_what_the_page_leaves_out_stays_left_out(self):
        self.assertEqual(render(page_answer(), parse(PAGE)), PAGE)
        self.assertIn('"id": 8', render(page_answer(id=8), parse(PAGE)))

    def test_of_a_new_array_the_first_element_is_shown(self):
        self.assertEqual(render([1, 2]), "[\n  1,\n  …\n]")
        self.assertEqual(render([1]), "[\n  1\n]")
        self.assertEqual(render({"a": [], "b": {}}), '{\n  "a": [],\n  "b": {}\n}')

    def test_an_array_that_was_shown_whole_is_shown_whole(self):
        self.assertEqual(render([1, 2, 3], [1, 2]), "[\n  1,\n  2,\n  3\n]")


class Parse(unittest.TestCase):
    def test_an_ellipsis_is_a_member_or_an_element(self):
        self.assertEqual(parse("[\n  1,\n  …\n]"), [1, LEFT_OUT])
        self.assertEqual(parse('{\n  …\n  "a": "…"\n}'), {"…": LEFT_OUT, "a": "…"})


if __name__ == "__main__":
    unittest.main()
