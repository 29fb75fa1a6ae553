"""Whether somebody wants a message: the order of choices, and the same in SQL as in Python."""

import itertools
import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from singr_comms.people import RULE_SQL, decide
from singr_db import Database, new_id
from singr_db.tables import Organization, Preference, Recipient

ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
ASKED = {"type_": "order_ready", "category": "orders", "channel": "sms"}
PLACES: dict[str, tuple[str, str | None, str | None]] = {
    "type+channel": ("type", "order_ready", "sms"),
    "category+channel": ("category", "orders", "sms"),
    "type": ("type", "order_ready", None),
    "category": ("category", "orders", None),
    "channel": ("all", None, "sms"),
    "all": ("all", None, None),
}
OTHERS = (("type", "review", "sms"), ("type", "order_ready", "push"), ("category", "sales", None))
Said = dict[str, bool]


def decided(theirs: Said, ours: Said | None = None, **more: Any) -> tuple[bool, str]:
    chosen, defaults = ({PLACES[place]: allowed for place, allowed in said.items()} for said in (theirs, ours or {}))
    return tuple(decide(chosen, defaults, **ASKED, **more))  # type: ignore[return-value] # two of them


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ({}, {}, (True, "type")),
        ({"type+channel": True, "all": False}, {}, (True, "recipient:type+channel")),
        ({"category+channel": False, "type": True}, {}, (False, "recipient:category+channel")),
        ({"type+channel": True, "category+channel": False}, {}, (True, "recipient:type+channel")),
        ({"type": True, "category": False}, {}, (True, "recipient:type")),
        ({"type": True, "channel": False}, {}, (False, "recipient:channel")),
        ({"category": True, "all": False}, {}, (False, "recipient:all")),
        # Nobody's default outweighs a no of somebody's own.
        ({"category": False}, {"type+channel": True}, (False, "recipient:category")),
        ({"all": False}, {"type+channel": True, "type": True}, (False, "recipient:all")),
        # What is open is the organization's: a wide yes is not one to what the organization has off by itself.
        ({"all": True, "channel": True}, {"category": False}, (False, "organization:category")),
        ({"type": True}, {"channel": False}, (False, "organization:channel")),
        ({"type": True}, {"type+channel": False}, (False, "organization:type+channel")),
        ({"category": True}, {"type": False, "category": False}, (True, "recipient:category")),
        ({"channel": True}, {"channel": False, "type": True}, (True, "organization:type")),
        ({}, {"type": True, "category": False}, (True, "organization:type")),
        ({}, {"all": False}, (False, "organization:all")),
    ],
)
def test_narrower_choice_decides_and_no_default_outweighs_a_no(
    theirs: Said, ours: Said, expected: tuple[bool, str]
) -> None:
    assert decided(theirs, ours) == expected


def test_mandatory_type_asks_nobody_and_a_type_of_its_own_default_the_last() -> None:
    everything_off = dict.fromkeys(PLACES, False)
    assert decided(everything_off, everything_off, mandatory=True) == (True, "mandatory")
    assert decided({"all": True, "channel": True}, {"all": True}, type_allows=False) == (False, "type")
    assert decided({"category": True}, type_allows=False) == (True, "recipient:category")


def test_what_is_chosen_of_other_types_and_channels_says_nothing() -> None:
    others = {
        ("type", "review", "sms"): False,
        ("type", "order_ready", "push"): False,
        ("category", "sales", None): False,
    }
    assert decide(others, others, **ASKED) == (True, "type")


def some_choices() -> list[tuple[Said, list[Said]]]:
    """Every one and every two choices of a recipient without defaults, and what is drawn of both beside drawn ones."""
    draw = random.Random(13)

    def drawn() -> Said:
        return {place: draw.random() < 0.5 for place in PLACES if draw.random() < 0.4}

    one_side: list[Said] = [
        dict(zip(places, allowed, strict=True))
        for many in (0, 1, 2)
        for places in itertools.combinations(PLACES, many)
        for allowed in itertools.product((True, False), repeat=many)
    ]
    return [({}, one_side), *((drawn(), [{}, *(drawn() for _ in range(30))]) for _ in range(20))]


async def test_sql_and_python_decide_the_same(db: Database) -> None:
    asked = {"type": ASKED["type_"], "category": ASKED["category"], "channel": ASKED["channel"]}
    statement = text(
        "SELECT r.id, choice.allowed, choice.rule FROM unnest(CAST(:ids AS uuid[])) AS r (id) CROSS JOIN "
        + RULE_SQL.replace("%(", ":").replace(")s", "")
        + " AS choice"
    )
    async with db.platform() as session:
        for ours, all_theirs in some_choices():
            organization = new_id()
            session.add(Organization(id=organization, name="Farm", slug=organization.hex))
            await session.flush()
            people = {new_id(): theirs for theirs in all_theirs}
            rows = [
                {"id": who, "external_id": who.hex, "key_id": who, "organization_id": organization} for who in people
            ]
            await session.execute(insert(Recipient), rows)
            holders: list[tuple[UUID | None, Said]] = [(None, ours), *people.items()]
            chosen = [
                {"organization_id": organization, "recipient_id": who, "source": "organization", "allowed": allowed}
                | dict(zip(("scope", "name", "channel"), where, strict=True))
                for who, said in holders
                for where, allowed in [
                    *((PLACES[p], a) for p, a in said.items()),
                    *((other, False) for other in OTHERS),
                ]
            ]
            await session.execute(insert(Preference), chosen)
            for mandatory, type_allows in ((False, True), (False, False), (True, False)):
                more = {"mandatory": mandatory, "type_allows": type_allows}
                values = {"ids": list(people), "organization_id": organization, **asked, **more}
                found = {row.id: (row.allowed, row.rule) for row in await session.execute(statement, values)}
                assert found == {who: decided(theirs, ours, **more) for who, theirs in people.items()}
