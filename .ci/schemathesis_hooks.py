"""Turns what fits a schema into what is valid, where no schema can say it, so that `positive_data_acceptance` holds the
server to its word for everything else. And where a schema can't say what a form's text means, the other way round.
"""

import requests
import schemathesis

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    body = case.body if isinstance(case.body, dict) else None
    is_form = body is not None and str(case.media_type).startswith(FORMS)
    if case.meta is None:
        return
    if case.meta.generation.mode.is_positive:
        genuine_cursor(case)
        if body is not None:
            if is_form:
                case.body = body = without_what_forms_cannot_say(body)
            uncommon_password(case, body)
            few_words(body)
    elif is_form:
        no_boolean_by_another_name(body)


def genuine_cursor(case):
    """A cursor is sealed for its collection: any text fits the schema, and only what the server made is valid."""
    query = case.query
    if not query or "cursor" not in query:
        return
    query = {name: value for name, value in query.items() if name != "cursor"}
    url = case.operation.base_url.rstrip("/") + case.formatted_path
    headers = {name: value for name, value in (case.headers or {}).items() if name.lower() == "authorization"}
    answer = requests.get(url, params={**query, "limit": 1}, headers=headers, timeout=30)
    following = answer.json().get("next") if answer.ok else None
    if following:
        cursor = requests.utils.urlparse(following).query.partition("cursor=")[2]
        query["cursor"] = cursor
    case.query = query
