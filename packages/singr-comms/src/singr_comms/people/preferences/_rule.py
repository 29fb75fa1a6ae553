"""Whether somebody wants a message: one order of choices, in Python and in SQL.

There are four slots: the pair with the channel (of the type, else of its category), the type (else its category), the
channel, and everything. Whoever fills a slot may be the recipient or, where they leave it open, the organization:

1. What is mandatory is allowed.
2. The recipient's pair decides.
3. Without one, the recipient's type (else category), channel and everything must each allow, where they are filled: no
   default outweighs somebody's own no.
4. The organization's pair decides.
5. Without one, the organization's type (else category), channel and everything must each allow, in the slots that the
   recipient left open.
6. What was chosen of the type (else its category) allows it; where nobody chose, the type's own default decides.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from singr_comms.catalogue import MessageType, message_types
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.sms import CHANNEL as SMS

Choice: TypeAlias = tuple[str, str | None, str | None]
"""Scope (`all`, `category`, `type`), name (none for `all`) and channel (none for all of them)."""
T = TypeVar("T")
Slots: TypeAlias = Mapping[Choice, T]
Choices: TypeAlias = Slots[bool]
"""What somebody has chosen; what is missing is left open."""

RECIPIENT: Final = "recipient"
ORGANIZATION: Final = "organization"
ADDRESSED: Final = frozenset({EMAIL.name, SMS.name})
"""Channels by which people are reached at an address that is theirs; devices go with whoever has them."""
PLACES: Final = ("type+channel", "category+channel", "type", "category", "channel", "all")


class Decision(NamedTuple):
    """Whether a message is allowed, and the rule that decided: `mandatory`, `recipient:type+channel` …, `type`."""

    allowed: bool
    rule: str


def decide(
    chosen: Choices,
    defaults: Choices,
    *,
    type_: str,
    category: str,
    channel: str,
    mandatory: bool = False,
    type_allows: bool = True,
) -> Decision:
    """Decide one message of a type by a channel.

    Args:
        chosen: the recipient's choices.
        defaults: the organization's.
        type_: the name of the message's type.
        category: the type's category.
        channel: how it would travel.
        mandatory: whether it cannot be switched off.
        type_allows: the type's own default, where nobody has said anything of it.
    """
    if mandatory:
        return Decision(allowed=True, rule="mandatory")
    theirs, ours = placed(chosen, type_, category, channel), placed(defaults, type_, category, channel)
    # Slots that the recipient has filled are closed to the organization's defaults.
    filled = {place for place, allowed in theirs.items() if allowed is not None}
    if filled & {"type", "category"}:
        filled |= {"type", "category"}
    said = _refused_or_paired(RECIPIENT, theirs, ()) or _refused_or_paired(ORGANIZATION, ours, filled)
    if said is not None:
        return said
    for who, places in ((RECIPIENT, theirs), (ORGANIZATION, ours)):
        for place in ("type", "category"):
            if places[place]:
                return Decision(allowed=True, rule=f"{who}:{place}")
    return Decision(allowed=type_allows, rule="type")


def ended_by(chosen: Iterable[Any]) -> set[tuple[str, str]]:
    """The channels with addresses, and the categories, that somebody ended themselves by their choices.

    A no of their organization is not theirs; what it allowed them counts, as it does as long as they are there.

    Args:
        chosen: all choices of one person, with `scope`, `name`, `channel`, `allowed` and `source`.
    """
    said = {
        (one.scope, one.name, one.channel): one.allowed for one in chosen if one.allowed or one.source != ORGANIZATION
    }
    if all(said.values()):
        return set()
    ways: dict[str, set[str]] = {name: set(ADDRESSED) for scope, name, _ in said if scope == "category"}
    for one in message_types:
        if not one.mandatory:
            ways.setdefault(one.category, set()).update(one.ways)
    return {
        (channel, category)
        for category, channels in ways.items()
        for channel in channels & ADDRESSED
        if not decide(said, {}, type_="", category=category, channel=channel).allowed
    }


def rule_values(name: str, declared: MessageType | None) -> dict[str, Any]:
    """What `RULE_SQL` takes of a type; of one that this process does not know, what is chosen of its name alone counts.

    Args:
        name: the type's.
        declared: the type.
    """
    return {
        "type": name,
        "category": "" if declared is None else declared.category,
        "mandatory": declared is not None and declared.mandatory,
        "type_allows": declared is None or not declared.opt_in,
    }


def _refused_or_paired(who: str, places: Mapping[str, bool | None], closed: Collection[str]) -> Decision | None:
    """What a pair of somebody's decides, else the first no of theirs in a slot that is not closed to them."""
    for pair in ("type+channel", "category+channel"):
        if (found := places[pair]) is not None:
            return Decision(allowed=found, rule=f"{who}:{pair}")
    asked = ("category" if places["type"] is None else "type", "channel", "all")
    refusing = [place for place in asked if places[place] is False and place not in closed]
    return Decision(allowed=False, rule=f"{who}:{refusing[0]}") if refusing else None


def placed(choices: Slots[T], type_: str, category: str, channel: str) -> dict[str, T | None]:
    """What was chosen by the places that are about a message, the narrowest first."""
    wanted: tuple[Choice, ...] = (
        ("type", type_, channel),
        ("category", category, channel),
        ("type", type_, None),
        ("category", category, None),
        ("all", None, channel),
        ("all", None, None),
    )
    return {place: choices.get(one) for place, one in zip(PLACES, wanted, strict=True)}


_PLACES_SQL: Final = """ARRAY[
             bool_or(allowed) FILTER (WHERE scope = 'type' AND channel IS NOT NULL),
             bool_or(allowed) FILTER (WHERE scope = 'category' AND channel IS NOT NULL),
             bool_or(allowed) FILTER (WHERE scope = 'type' AND channel IS NULL),
             bool_or(allowed) FILTER (WHERE scope = 'category' AND channel IS NULL),
             bool_or(allowed) FILTER (WHERE scope = 'all' AND channel IS NOT NULL),
             bool_or(allowed) FILTER (WHERE scope = 'all' AND channel IS NULL)]
        FROM preferences
       WHERE organization_id = CAST(%(organization_id)s AS uuid)
         AND (scope = 'all' OR (scope = 'type' AND name = CAST(%(type)s AS text))
              OR (scope = 'category' AND name = CAST(%(category)s AS text)))
         AND (channel IS NULL OR channel = CAST(%(channel)s AS text))"""
# In the order of `PLACES`: of the recipient, and of the organization, which is read once for all recipients.
_T_TYPE_CHANNEL, _T_CATEGORY_CHANNEL, _T_TYPE, _T_CATEGORY, _T_CHANNEL, _T_ALL = (f"theirs[{n}]" for n in range(1, 7))
_O_TYPE_CHANNEL, _O_CATEGORY_CHANNEL, _O_TYPE, _O_CATEGORY, _O_CHANNEL, _O_ALL = (f"ours[{n}]" for n in range(1, 7))
_T_OPEN: Final = f"{_T_TYPE} IS NULL AND {_T_CATEGORY} IS NULL"
RULE_SQL: Final = f"""LATERAL (
  SELECT left(said, 1) = '+' AS allowed, substr(said, 2) AS rule
    FROM (
      SELECT CASE
        WHEN CAST(%(mandatory)s AS boolean) THEN '+mandatory'
        WHEN {_T_TYPE_CHANNEL} THEN '+recipient:type+channel'
        WHEN NOT {_T_TYPE_CHANNEL} THEN '-recipient:type+channel'
        WHEN {_T_CATEGORY_CHANNEL} THEN '+recipient:category+channel'
        WHEN NOT {_T_CATEGORY_CHANNEL} THEN '-recipient:category+channel'
        WHEN NOT {_T_TYPE} THEN '-recipient:type'
        WHEN {_T_TYPE} IS NULL AND NOT {_T_CATEGORY} THEN '-recipient:category'
        WHEN NOT {_T_CHANNEL} THEN '-recipient:channel'
        WHEN NOT {_T_ALL} THEN '-recipient:all'
        WHEN {_O_TYPE_CHANNEL} THEN '+organization:type+channel'
        WHEN NOT {_O_TYPE_CHANNEL} THEN '-organization:type+channel'
        WHEN {_O_CATEGORY_CHANNEL} THEN '+organization:category+channel'
        WHEN NOT {_O_CATEGORY_CHANNEL} THEN '-organization:category+channel'
        WHEN {_T_OPEN} AND NOT {_O_TYPE} THEN '-organization:type'
        WHEN {_T_OPEN} AND {_O_TYPE} IS NULL AND NOT {_O_CATEGORY} THEN '-organization:category'
        WHEN {_T_CHANNEL} IS NULL AND NOT {_O_CHANNEL} THEN '-organization:channel'
        WHEN {_T_ALL} IS NULL AND NOT {_O_ALL} THEN '-organization:all'
        WHEN {_T_TYPE} THEN '+recipient:type'
        WHEN {_T_CATEGORY} THEN '+recipient:category'
        WHEN {_O_TYPE} THEN '+organization:type'
        WHEN {_O_CATEGORY} THEN '+organization:category'
        WHEN CAST(%(type_allows)s AS boolean) THEN '+type'
        ELSE '-type' END AS said
        FROM (SELECT (SELECT {_PLACES_SQL} AND recipient_id = r.id) AS theirs,
                     (SELECT {_PLACES_SQL} AND recipient_id IS NULL) AS ours
              OFFSET 0) AS chosen
      OFFSET 0) AS found
)"""  # noqa: S608 - constants
"""The same for each row of `r`, whose `id` is a recipient's (or null): columns `allowed` and `rule`.

To be joined as `CROSS JOIN {RULE_SQL} AS choice`. Parameters in psycopg's style, which `sql` and `sql_text` both take:
`organization_id`, `type`, `category`, `channel`, `mandatory`, `type_allows`. `decide` is held against it by a test.
"""
