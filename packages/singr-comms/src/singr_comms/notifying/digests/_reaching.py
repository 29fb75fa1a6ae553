"""Whether a digest would reach somebody: they have an address that takes mails, and want them."""

from typing import Final

from singr_comms.messages.digest import MESSAGE_TYPE as DIGEST
from singr_comms.notifications.sending._suppressions import CATEGORY, IN_FORCE, OF_ALL
from singr_comms.people import RULE_SQL
from singr_db import PLATFORM_ORGANIZATION_ID

_FOR_ALL: Final = ", ".join(f"'{reason}'" for reason in sorted(OF_ALL))
_SCOPES: Final = ", ".join(
    f"'{scope}'"
    for scope, holds in (
        ("all", True),
        ("marketing", DIGEST.speaks_for == "organization"),
        (CATEGORY + DIGEST.category, not DIGEST.mandatory),
    )
    if holds
)
_SUPPRESSED: Final = f"""EXISTS (
    SELECT FROM suppressions
     WHERE {IN_FORCE.format("ARRAY[r.email_hash]", "'email'", ":organization_id", f"'{PLATFORM_ORGANIZATION_ID}'")}
       AND (reason IN ({_FOR_ALL}) OR scope IN ({_SCOPES})))"""
# As a window closes it is asked whether mails of its type are wanted, and as the mail is sent, whether digests are.
_OF_TYPE: Final = RULE_SQL.replace("%(channel)s", "'email'")
_OF_DIGESTS: Final = (
    _OF_TYPE.replace("%(type)s", f"'{DIGEST.name}'")
    .replace("%(category)s", f"'{DIGEST.category}'")
    .replace("%(mandatory)s", str(DIGEST.mandatory).lower())
    .replace("%(type_allows)s", str(not DIGEST.opt_in).lower())
)
REACHED: Final = f"""(r.email_hash IS NOT NULL
        AND (SELECT by_mail.allowed FROM {_OF_TYPE} AS by_mail)
        AND (SELECT by_mail.allowed FROM {_OF_DIGESTS} AS by_mail) AND NOT {_SUPPRESSED})"""  # noqa: S608 - constants
"""A condition on a row of `r`, with a recipient's `id` and `email_hash`; it takes the parameters of `RULE_SQL`.

`Judging.is_reached_by_digests` is held against it by a test.
"""
