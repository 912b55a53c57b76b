"""What no schema of ours can say, said to schemathesis.

`positive_data_acceptance` asks that whatever fits the schema is accepted. Some rules are no schema's: that a cursor is
one the server sealed, that a password isn't a common one, that three texts together have at most 30 different words.
Here a request that is meant to be valid is made to keep those rules; everything else about it stays as generated. For
requests that are meant to be invalid only two things are changed, at the end of this file: without them they would arrive
as valid ones.
"""

import functools
import os
import pathlib
import re
import unicodedata
from urllib.parse import parse_qs, quote, urlsplit

import requests
import schemathesis

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# Control characters, and those that change the direction of text.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Letters that show nothing.
FILLERS = "\u115f\u1160\u3164\uffa0"
# A description's control characters but line breaks and tabs.
CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
BOOLEANS_IN_FORMS = ("true", "1", "on", "yes", "false", "0", "off", "no", "")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.meta is None:
        return
    body = dict(case.body) if isinstance(case.body, dict) else None
    is_form = str(case.media_type).startswith(FORMS)
    if case.meta.generation.mode.is_positive:
        if case.query and "cursor" in case.query:
            case.query = with_genuine_cursor(case)
        if len((case.headers or {}).get("if-match", "")) % 2:
            # Most entity tags are stale; every other one given becomes the one that never is.
            case.headers["if-match"] = "*"
        if body is not None:
            if is_form:
                body = as_a_form_can_say(body)
            operation = case.operation.definition.raw["operationId"]
            case.body = KEEPING_RULES.get(operation, lambda body: body)(body)
        return
    if case.query:
        case.query = {name: seen_on_the_wire(value) for name, value in case.query.items()}
    if is_form and body is not None and "favorite" in body:
        case.body = without_accidental_boolean(body)


def with_genuine_cursor(case):
    """Any text fits a cursor's schema; valid is what the server gave for this very collection, if it has a next page."""
    query = {name: value for name, value in case.query.items() if name != "cursor"}
    url = case.operation.base_url.rstrip("/") + case.formatted_path
    answer = requests.get(url, params={**query, "limit": 1}, headers=dict(case.headers or {}), timeout=30)
    following = answer.json().get("next") if answer.ok else None
    if following:
        query["cursor"] = parse_qs(urlsplit(following).query)["cursor"][0]
    return query


def as_a_form_can_say(body):
    """A form has no name with control characters or quotes."""
    return {name: value for name, value in body.items() if not re.search(r'[\x00-\x1f\x7f-\x9f"\\]', name)}


@functools.cache
def common_passwords():
    return frozenset((ROOT / "shared/src/auth/common_passwords.txt").read_text().split("\n"))


def new_user(body):
    """A password isn't a common one, and a username is letters and digits in its compatibility form too."""
    if isinstance(body.get("password"), str) and body["password"].lower() in common_passwords():
        body["password"] = f"{body['password']}, but not a common one"
    if isinstance(body.get("username"), str):
        plain = unicodedata.normalize("NFKC", body["username"])
        allowed = all((c.isalnum() or c in "@.+-_") and c not in FILLERS for c in plain)
        if not allowed or not is_visible(plain) or not 3 <= len(plain) <= 150:
            body["username"] = f"user-{plain.encode().hex()[:100]}"
    return body


def credentials(body):
    """Every other one is right; nobody guesses a password."""
    if len(str(body.get("password"))) % 2:
        body["username"], body["password"] = os.environ["FUZZ_USERNAME"], os.environ["FUZZ_PASSWORD"]
    return body


def refresh_token(body):
    """Every other one is a session's."""
    if len(str(body.get("refresh"))) % 2:
        login = {"username": os.environ["FUZZ_USERNAME"], "password": os.environ["FUZZ_PASSWORD"]}
        answer = requests.post(os.environ["FUZZ_URL"] + "/api/auth/login/", json=login, timeout=30)
        body["refresh"] = answer.json().get("refresh", body.get("refresh"))
    return body


def is_visible(text):
    """Whether a character is a letter, a digit, a sign or a symbol that shows."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in FILLERS + "\u2800\U0001d159" for c in text)


def movie(body):
    """Names that show, genres with a letter each, 30 different words in all, a date from 1870 on, a real URL."""
    for name in ("title", "director"):
        if isinstance(body.get(name), str):
            words = CONTROL.sub("", body[name]).split(" ")
            body[name] = " ".join(words[:8]) if len(re.findall(r"\w+", body[name])) > 8 else " ".join(words)
            body[name] = body[name] if is_visible(body[name]) else "x"
    if isinstance(body.get("description"), str):
        text = CONTROL_IN_LINES.sub("", body["description"])
        body["description"] = text if text.strip() else "x"
    if isinstance(body.get("genre"), str):
        genres = [CONTROL.sub("", genre).strip()[:30] for genre in body["genre"].split(",")]
        body["genre"] = ",".join([genre for genre in genres if re.search(r"[a-zA-Z0-9]", genre)][:3]) or "Drama"
    if isinstance(body.get("release_date"), str) and body["release_date"] < "1870":
        body["release_date"] = "1972" + body["release_date"][4:].replace("-02-29", "-02-28")
    if isinstance(body.get("cover_image"), str):
        body["cover_image"] = "https://example.org/" + quote(body["cover_image"][8:600])[:2000]
    return body


KEEPING_RULES = {
    "register_user": new_user,
    "log_in": credentials,
    "refresh_session": refresh_token,
    "log_out": refresh_token,
    "create_movie": movie,
    "replace_movie": movie,
    "update_movie": movie,
}


def seen_on_the_wire(value):
    """A parameter that is an empty list isn't sent at all, and the request would be valid without it."""
    return "[]" if value in ([], {}) else value


def without_accidental_boolean(body):
    """In a form everything is text, and some texts are booleans whatever type they had when they were generated."""
    if str(body["favorite"]).lower().strip() in BOOLEANS_IN_FORMS:
        return {**body, "favorite": "neither"}
    return body
