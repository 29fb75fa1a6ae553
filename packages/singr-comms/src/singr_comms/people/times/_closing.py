"""When a digest comes: the person's own time, else their organization's, else 08:00, and on Mondays."""

from typing import Final

_DEFAULT: Final = "(SELECT d.{0} FROM digest_defaults AS d WHERE d.organization_id = {1}.organization_id)"


def closes_sql(moment: str, who: str, period: str) -> str:
    """SQL for when the digest comes that is open at a moment.

    Args:
        moment: SQL for it.
        who: a relation with `organization_id`, `time_zone`, `digest_at` and `digest_weekday` of a recipient.
        period: SQL for how often it comes.
    """
    hour, day = (f"coalesce({who}.{name}, {_DEFAULT.format(name, who)})" for name in ("digest_at", "digest_weekday"))
    return f"digest_closes({moment}, {who}.time_zone, {hour}, {day}, {period})"
