"""How often somebody wants to be told: one order of choices, in Python and in SQL.

The slots are those of `_rule`, and whoever fills the narrowest decides: the recipient's type and channel, category and
channel, type, category, channel, everything; where they left all of these open, the organization's in the same order.
Where nobody chose, what the sender asks for holds.
"""

from typing import Final, Literal, NamedTuple, TypeAlias

from singr_comms.catalogue import INBOX, MessageType
from singr_comms.messages.digest import MESSAGE_TYPE as DIGEST
from singr_comms.people.preferences._rule import ORGANIZATION, PLACES, RECIPIENT, Slots, placed
from singr_jobs import Priority

Frequency: TypeAlias = Literal["immediate", "daily", "weekly"]
"""At once, or in one mail a day or a week."""
Frequencies: TypeAlias = Slots[Frequency]
"""What somebody has chosen; what is missing is left open."""


class Often(NamedTuple):
    """How often, and the rule that decided, `recipient:type+channel` … `organization:all`; neither if nobody chose."""

    frequency: Frequency | None = None
    rule: str | None = None


def may_wait(declared: MessageType, channel: str, priority: int = Priority.NORMAL) -> bool:
    """Whether it is asked how often: what presses goes at once, what is read in an app is there, a digest is one."""
    return not (declared.mandatory or priority == Priority.HIGH or channel == INBOX or declared is DIGEST)


def frequency_of(chosen: Frequencies, defaults: Frequencies, *, type_: str, category: str, channel: str) -> Often:
    """Say how often somebody wants to be told something that may wait.

    Args:
        chosen: the recipient's choices.
        defaults: the organization's.
        type_: the name of the message's type.
        category: the type's category.
        channel: how it would travel at once.
    """
    for who, choices in ((RECIPIENT, chosen), (ORGANIZATION, defaults)):
        for place, frequency in placed(choices, type_, category, channel).items():
            if frequency is not None:
                return Often(frequency, f"{who}:{place}")
    return Often()


_PLACE: Final = """CASE scope WHEN 'all' THEN CASE WHEN channel IS NULL THEN 'all' ELSE 'channel' END
                           ELSE scope || CASE WHEN channel IS NULL THEN '' ELSE '+channel' END END"""
_NARROWEST: Final = f"""(
      SELECT frequency || ' {{who}}:' || place
        FROM digest_choices CROSS JOIN LATERAL (SELECT {_PLACE} AS place) AS slot
       WHERE organization_id = CAST(%(organization_id)s AS uuid) AND recipient_id {{whose}}
         AND (scope = 'all' OR (scope = 'type' AND name = CAST(%(type)s AS text))
              OR (scope = 'category' AND name = CAST(%(category)s AS text)))
         AND (channel IS NULL OR channel = CAST(%(channel)s AS text))
       ORDER BY array_position(CAST('{{{{{",".join(PLACES)}}}}}' AS text[]), place) LIMIT 1)"""  # noqa: S608 - constants
# Found out once a statement: most organizations have nobody who chose, and then each row is spared two look-ups.
_ANYBODY: Final = "EXISTS (SELECT FROM digest_choices WHERE organization_id = CAST(%(organization_id)s AS uuid))"
FREQUENCY_SQL: Final = f"""LATERAL (
  SELECT nullif(split_part(said, ' ', 1), '') AS frequency, nullif(split_part(said, ' ', 2), '') AS rule
    FROM (SELECT CASE WHEN CAST(%(may_wait)s AS boolean) AND {_ANYBODY} THEN coalesce(
            {_NARROWEST.format(who=RECIPIENT, whose="= r.id")},
            {_NARROWEST.format(who=ORGANIZATION, whose="IS NULL")}) END AS said OFFSET 0) AS found
)"""  # noqa: S608 - constants
"""The same for each row of `r`, whose `id` is a recipient's (or null): columns `frequency` and `rule`.

To be joined as `CROSS JOIN {FREQUENCY_SQL} AS often`. Parameters as of `RULE_SQL`: `organization_id`, `type`,
`category`, `channel`, and `may_wait`. `frequency_of` is held against it by a test.
"""
