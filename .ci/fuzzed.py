"""What a run of schemathesis has covered, by its output."""

import re

# Of one run. The coverage phase alone makes more than 2,000.
FEWEST_CASES = 3000
PHASES = ("examples", "coverage", "fuzzing", "stateful")


def number(pattern, output):
    """Returns the number in the only group of the pattern, or 0."""
    found = re.search(pattern, output, re.MULTILINE)
    return int(found[1]) if found else 0


def cases_of(output):
    """Returns the number of cases of the run."""
    return number(r"^ *(\d+) generated", output)


def gaps(output):
    """Returns what a complete run would have done and this one has not, as sentences."""
    found = []
    cases = cases_of(output)
    if cases < FEWEST_CASES:
        found.append(f"{cases} cases are fewer than {FEWEST_CASES}")
    # The summary shows a phase that was skipped with another sign.
    done = {name.lower() for name in re.findall(r"^ *✅ (\w+)$", output, re.MULTILINE)}
    found.extend(f"the phase {phase} was not completed" for phase in PHASES if phase not in done)
    whole = number(r"^ *Operations: +\d+ selected / (\d+) total$", output)
    tested = number(r"^ *Tested: (\d+)$", output)
    if not whole or tested != whole:
        found.append(f"{tested} of {whole} operations were tested")
    if not number(r"^ *Scenarios: +(\d+)$", output) or not number(r"^ *API Links: +(\d+) covered", output):
        found.append("no scenario followed a link from one operation to another")
    return found
