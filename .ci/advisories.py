"""How old the advisory data may be."""

# RustSec publishes several advisories a week.
OLD_AFTER_DAYS = 90
OUTDATED_AFTER_DAYS = 365


def complaint(newest, today):
    """Returns what is wrong with data of the date `newest`: `None`, or whether the check must fail and why."""
    age = (today - newest).days
    if age < -1:
        return True, f"the advisory data is of {newest}, which is in the future"
    if age > OUTDATED_AFTER_DAYS:
        return True, f"the advisory data is {age} days old, more than {OUTDATED_AFTER_DAYS}: newer advisories are not checked"
    if age > OLD_AFTER_DAYS:
        return False, f"the advisory data is {age} days old: advisories since {newest} are not checked"
    return None
