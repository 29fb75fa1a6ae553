"""What people are given in Python is refused by its field, with what would be right, in memory as in the database."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from singr_comms.notifications import BrandingInput
from singr_comms.people import (
    DeviceInput,
    NamedRecipient,
    PeopleError,
    PreferenceChoice,
    PreferenceError,
    QuietHours,
    RecipientInput,
)
from singr_comms.people.inbox import mark_inbox
from singr_comms.people.preferences._checks import check_choices
from singr_comms.people.recipients._checks import faults_of
from singr_comms.testing import MemoryNotifications
from singr_db import new_id

ONE = UUID(int=1)
NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - it is what is wrong


@pytest.mark.parametrize("written", ["es-419", "de_DE", "zh_hant_tw", "x", "de-x", "a1"])
def test_a_language_is_taken_alike_of_people_of_devices_and_of_brands(written: str) -> None:
    taken = []
    for kind, given in (
        (RecipientInput, {}),
        (DeviceInput, {"token": "device-token:0123456789", "platform": "ios"}),
        (BrandingInput, {"name": "Blue Note", "color": "#000000"}),
    ):
        try:
            taken.append(msgspec.convert(given | {"locale": written}, kind).locale)
        except msgspec.ValidationError:
            taken.append(None)
    assert taken == [written if len(written) > 4 else None] * 3


async def test_a_mark_that_cannot_be_is_refused_by_field_and_nothing_is_marked() -> None:
    outbox = MemoryNotifications()
    past = outbox.now - timedelta(hours=1)
    wrong: list[tuple[Any, dict[str, Any], list[tuple[str, str]]]] = [
        ("snoozed", {"ids": [ONE]}, [("until", "required")]),
        ("snoozed", {"ids": [ONE], "until": past}, [("until", "out_of_range")]),
        ("snoozed", {"ids": [ONE], "until": NAIVE}, [("until", "malformed")]),
        ("read", {"ids": [ONE], "until": NAIVE}, [("until", "conflicting_fields")]),
        ("gone", {"before": NAIVE}, [("mark", "unknown_value"), ("before", "malformed")]),
        ("read", {}, [("ids", "required")]),
        ("read", {"ids": "x"}, [("ids", "malformed")]),
        ("read", {"ids": [5]}, [("ids[0]", "malformed")]),
    ]
    for mark, given, faults in wrong:
        with pytest.raises(PeopleError) as caught:
            async with outbox.tenant(new_id()) as session:
                await mark_inbox(session, ONE, mark, **given)
        assert [(one.field, one.code) for one in caught.value.faults] == faults, (mark, given)


def test_what_has_not_its_form_is_told_with_the_form() -> None:
    given = NamedRecipient(
        external_id="u-1", locale="english", tags=["a b"], quiet_hours=QuietHours(starts="22", ends="07:00")
    )
    told = {one.field: one.message for one in faults_of(given, allow_test=True)}
    assert told.keys() == {"locale", "tags[0]", "quiet_hours.from"}
    assert all("form of" in words for words in told.values())
    assert "de-AT" in told["locale"]
    assert "22:00" in told["quiet_hours.from"]


def test_a_choice_of_no_scope_is_told_of_its_scope() -> None:
    with pytest.raises(PreferenceError) as caught:
        check_choices([PreferenceChoice(scope="wrong", allowed=True)])  # type: ignore[arg-type] # it is what is wrong
    assert [(one.field, one.code) for one in caught.value.faults] == [("choices[0].scope", "unknown_value")]
