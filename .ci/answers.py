"""How README.md shows the API's answers: indented JSON, with `…` in place of what is left out.

- A string that ends in `…` is the beginning of a longer one. A token, a request id and a cursor, which are new every
  time, are never shown whole.
- `…` on a line of its own stands for one or more members of an object, or for all further elements of an array. Which
  ones are left out is decided in the README; `renewed` keeps that choice.
"""

import json
import re

ELLIPSIS = "…"

# What `…` on a line of its own is parsed to.
LEFT_OUT = object()

# Strings are cut at the last word that ends before this many characters.
LONGEST = 60

# For each member that holds a token: its form, and how many of its characters are the same every time. A token that
# doesn't have this form is shown whole, so it differs from the README.
TOKENS = {
    "access": (re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"), 8),
    "refresh": (re.compile(r"[\w-]{123}"), 0),
    "request_id": (re.compile(r"[\w-]+=*"), 0),
}
CURSOR = re.compile(r"(?<=[?&]cursor=)[\w-]+$")
INSTANT = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"')


def matches(shown, answer):
    """Whether the README shows this answer (a JSON value). Points in time are compared by their form."""
    return INSTANT.sub('"<time>"', shown) == INSTANT.sub('"<time>"', renewed(shown, answer))


def renewed(shown, answer):
    """The answer as the README is to show it: leaves out what `shown`, the text in the README, leaves out."""
    try:
        left_out = parse(shown)
    except ValueError:
        left_out = None
    return render(answer, left_out)


def parse(shown):
    """The JSON value that is shown. `…` on a line of its own becomes `LEFT_OUT`: an element, or the member `…`.

    Raises `ValueError` if it isn't JSON apart from that.
    """
    lines = shown.splitlines()
    parsed, brackets = [], []
    for line, following in zip(lines, [*lines[1:], ""]):
        bare = line.strip().removesuffix(",")
        if bare == ELLIPSIS:
            # JSON from the API never contains NaN.
            name = f'"{ELLIPSIS}": ' if brackets[-1:] == ["{"] else ""
            comma = "" if following.strip()[:1] in ("]", "}") else ","
            line = f"{name}NaN{comma}"
        elif bare[-1:] in ("{", "["):
            brackets.append(bare[-1])
        elif bare[:1] in ("}", "]") and brackets:
            brackets.pop()
        parsed.append(line)
    return json.loads("\n".join(parsed), parse_constant=lambda _: LEFT_OUT)


def render(answer, shown=None, name=None, indent=""):
    """A JSON value as the README shows it, with the members and elements that `shown` has, a result of `parse`.

    Where `shown` has no `…`, all members are rendered. Of an array that isn't in `shown`, the first element is.
    """
    if isinstance(answer, dict):
        parts = _members(answer, shown, indent + "  ")
        return _block("{", parts, "}", indent)
    if isinstance(answer, list):
        parts = _elements(answer, shown, name, indent + "  ")
        return _block("[", parts, "]", indent)
    if isinstance(answer, str):
        answer = _shortened(answer, name)
    return json.dumps(answer, ensure_ascii=False)


def _members(answer, shown, indent):
    of = shown if isinstance(shown, dict) else {}
    parts = []
    for name, value in answer.items():
        if name in of or ELLIPSIS not in of:
            text = render(value, of.get(name), name, indent)
            parts.append(f"{json.dumps(name, ensure_ascii=False)}: {text}")
        elif parts[-1:] != [ELLIPSIS]:
            parts.append(ELLIPSIS)
    return parts


def _elements(answer, shown, name, indent):
    if not isinstance(shown, list):
        shown = [None, LEFT_OUT]
    count = shown.index(LEFT_OUT) if LEFT_OUT in shown else len(answer)
    shown = shown[:count] + [None] * (count - len(shown))
    parts = [render(value, of, name, indent) for value, of in zip(answer, shown)]
    return parts + [ELLIPSIS] * (len(answer) > count)


def _block(begin, parts, end, indent):
    if not parts:
        return begin + end
    lines = [begin]
    for at, part in enumerate(parts, 1):
        comma = "" if part == ELLIPSIS or at == len(parts) else ","
        lines.append(f"{indent}  {part}{comma}")
    return "\n".join([*lines, indent + end])


def _shortened(text, name):
    if name in TOKENS:
        form, kept = TOKENS[name]
        return text[:kept] + ELLIPSIS if form.fullmatch(text) else text
    without_cursor, cursors = CURSOR.subn(ELLIPSIS, text)
    if cursors or len(text) <= LONGEST:
        return without_cursor
    return text[:LONGEST].rsplit(" ", 1)[0] + ELLIPSIS
