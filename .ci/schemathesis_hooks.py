"""Rules of the API that its schemas can't express, for schemathesis.

The check `positive_data_acceptance` requires that the API accepts each request that matches the schema. Some rules aren't
in a schema: a cursor must be one that the server has made, a password must not be a common one, and three texts together
must have at most 30 different words. These hooks change each request that schemathesis generates as valid so that it
follows the rules, and leave the rest of the request as it is. Requests generated as invalid are changed in four cases only,
at the end of this file, in which they would be valid in a request.
"""

import functools
import itertools
import os
import pathlib
import re
import unicodedata
from urllib.parse import parse_qs, quote, urlsplit

import requests
import schemathesis
from schemathesis.generation.meta import TestPhase

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# Control characters, and those that change the direction of text.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Brackets, braces and quotation marks, which a genre can't have everywhere.
NOTATION = re.compile(r"[\[\]{}\"'`“”„‘’«»]")
# Letters that are invisible.
FILLERS = "\u115f\u1160\u3164\uffa0"
# The control characters that a description can't have: all but line breaks and tabs.
CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# The parameters that are release dates.
DATES = ("released_from", "released_to")
BOOLEANS_IN_FORMS = ("true", "1", "on", "yes", "false", "0", "off", "no", "")


# A scenario repeats requests of earlier ones. With their keys, a request to create a movie would be answered as before, with a
# movie that the earlier scenario has deleted, and schemathesis expects the movie of this answer to exist.
KEYS = itertools.count()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.meta is None:
        return
    body = dict(case.body) if isinstance(case.body, dict) else None
    is_form = str(case.media_type).startswith(FORMS)
    operation = case.operation.definition.raw["operationId"]
    if case.meta.generation.mode.is_positive:
        if case.query and "cursor" in case.query:
            case.query = with_genuine_cursor(case)
        if case.query:
            dates = {name: of_release(value) for name, value in case.query.items() if name in DATES}
            case.query = {**case.query, **dates}
        if len((case.headers or {}).get("if-match", "")) % 2:
            # Most generated entity tags don't match. About half of them become `*`, which always matches.
            case.headers["if-match"] = "*"
        if body is not None:
            if is_form:
                body = as_a_form_can_say(body)
            case.body = KEEPING_RULES.get(operation, lambda body: body)(body)
        if operation in CHANGING_A_MOVIE and case.meta.phase.name != TestPhase.STATEFUL:
            case.path_parameters = of_own_movie(operation, case.path_parameters)
        if case.meta.phase.name == TestPhase.STATEFUL and "idempotency-key" in (case.headers or {}):
            case.headers["idempotency-key"] = f"stateful-{next(KEYS)}"
        return
    if case.query:
        case.query = {name: seen_on_the_wire(value) for name, value in case.query.items()}
    if "idempotency-key" in (case.headers or {}):
        case.headers["idempotency-key"] = without_accidental_key(case.headers["idempotency-key"])
    if is_form and body is not None:
        if "favorite" in body:
            body = without_accidental_boolean(body)
        case.body = without_accidental_text(body)


def with_genuine_cursor(case):
    """Replaces the cursor by one that the server has returned for this collection, or removes it if there is one page."""
    query = {name: value for name, value in case.query.items() if name != "cursor"}
    url = case.operation.base_url.rstrip("/") + case.formatted_path
    answer = requests.get(url, params={**query, "limit": 1}, headers=dict(case.headers or {}), timeout=30)
    # A generated `If-None-Match` may be answered 304, without a body.
    following = answer.json().get("next") if answer.status_code == 200 else None
    if following:
        query["cursor"] = parse_qs(urlsplit(following).query)["cursor"][0]
    return query


# What only the owner of a movie may do. Without a movie of their own the fuzzer would get 403 and 404 only.
CHANGING_A_MOVIE = ("replace_movie", "update_movie", "delete_movie", "set_cover", "delete_cover")


def of_own_movie(operation, parameters):
    """Replaces about half of the ids by that of a movie that the fuzzer has added. A deletion gets a movie of its own."""
    if len(str(parameters["id"])) % 2:
        return parameters
    return {**parameters, "id": new_movie() if operation == "delete_movie" else own_movie()}


@functools.cache
def own_movie():
    return new_movie()


def new_movie():
    movie = {
        "title": "Stalker",
        "description": "A guide leads two men into the Zone.",
        "release_date": "1979-05-25",
        "director": "Andrei Tarkovsky",
        "genre": "Drama",
    }
    headers = {"authorization": f"Bearer {os.environ['FUZZ_TOKEN']}"}
    answer = requests.post(os.environ["FUZZ_URL"] + "/api/movies/", json=movie, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()["id"]


def as_a_form_can_say(body):
    """Removes the names that a form can't have: those with control characters, quotes or backslashes."""
    return {name: value for name, value in body.items() if not re.search(r'[\x00-\x1f\x7f-\x9f"\\]', name)}


@functools.cache
def common_passwords():
    return frozenset((ROOT / "shared/src/auth/common_passwords.txt").read_text().split("\n"))


def new_user(body):
    """Replaces a common password, and a username that isn't valid in its compatibility form (NFKC)."""
    if isinstance(body.get("password"), str) and body["password"].lower() in common_passwords():
        body["password"] = f"{body['password']}, but not a common one"
    if isinstance(body.get("username"), str):
        plain = unicodedata.normalize("NFKC", body["username"])
        allowed = all((c.isalnum() or c in "@.+-_") and c not in FILLERS for c in plain)
        if not allowed or not is_visible(plain) or not 3 <= len(plain) <= 150:
            body["username"] = f"user-{plain.encode().hex()[:100]}"
    return body


def credentials(body):
    """Makes about half of the credentials correct, because generated ones never are."""
    if len(str(body.get("password"))) % 2:
        body["username"], body["password"] = os.environ["FUZZ_USERNAME"], os.environ["FUZZ_PASSWORD"]
    return body


def refresh_token(body):
    """Makes about half of the refresh tokens valid."""
    if len(str(body.get("refresh"))) % 2:
        login = {"username": os.environ["FUZZ_USERNAME"], "password": os.environ["FUZZ_PASSWORD"]}
        answer = requests.post(os.environ["FUZZ_URL"] + "/api/auth/login/", json=login, timeout=30)
        body["refresh"] = answer.json().get("refresh", body.get("refresh"))
    return body


def is_visible(text):
    """Whether a text has a visible letter, digit, punctuation mark or symbol."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in FILLERS + "\u2800\U0001d159" for c in text)


def of_release(date):
    """Replaces the year of a date before 1870."""
    if isinstance(date, str) and date < "1870":
        return "1972" + date[4:].replace("-02-29", "-02-28")
    return date


def genres(names):
    """The first three names that have a letter, without the signs of a list in another notation."""
    plain = [NOTATION.sub("", CONTROL.sub("", name)).strip()[:30].strip() for name in names]
    return [name for name in plain if re.search(r"[a-zA-Z0-9]", name)][:3] or ["Drama"]


def movie(body):
    """Makes names visible, gives each genre a letter, limits words to 30 and dates to 1870 and later, fixes the URL."""
    for name in ("title", "director"):
        if isinstance(body.get(name), str):
            words = CONTROL.sub("", body[name]).split(" ")
            body[name] = " ".join(words[:8]) if len(re.findall(r"\w+", body[name])) > 8 else " ".join(words)
            body[name] = body[name] if is_visible(body[name]) else "x"
    if isinstance(body.get("description"), str):
        text = CONTROL_IN_LINES.sub("", body["description"])
        body["description"] = text if text.strip() else "x"
    genre = body.get("genre")
    if isinstance(genre, str):
        body["genre"] = ",".join(genres(genre.split(",")))
    elif isinstance(genre, list):
        body["genre"] = genres(",".join(map(str, genre)).split(","))
    if "release_date" in body:
        body["release_date"] = of_release(body["release_date"])
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
    """Replaces an empty list. It would not be sent at all, and the request would be valid without the parameter."""
    return "[]" if value in ([], {}) else value


def without_accidental_key(key):
    """Replaces a key that is valid without the white space around it, which is no part of a header's value."""
    return key if key == key.strip() else "two words"


def without_accidental_boolean(body):
    """Replaces a `favorite` that is a boolean in a form, where all values are text and some texts mean a boolean."""
    if str(body["favorite"]).lower().strip() in BOOLEANS_IN_FORMS:
        return {**body, "favorite": "neither"}
    return body


# The fields that accept nearly every text, and no empty one.
TEXTS = ("username", "password", "current_password", "new_password", "title", "description", "director", "genre")


def without_accidental_text(body):
    """Replaces the values of texts that are none in a form, where all values are text and a list repeats the field."""
    return {name: "" if name in TEXTS and not isinstance(value, str) else value for name, value in body.items()}
