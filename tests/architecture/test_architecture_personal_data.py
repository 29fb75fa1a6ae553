"""What is kept about people is in what they can get of it, or a reason is given: no new table is forgotten."""

from typing import Final

from singr_auth.accounts.people._own_data import LEFT_OUT as LEFT_OUT_OF_ACCOUNTS
from singr_auth.accounts.people._own_data import LISTS as LISTS_OF_ACCOUNTS
from singr_comms.people.exporting._tables import LEFT_OUT, LISTS
from singr_db.tables import Base

# What makes a table one with something of a person.
_OF_PEOPLE: Final = ("user_id", "recipient_id", "address_hash", "subject_hash", "email", "email_key", "holder_id")
_ELSEWHERE: Final = {
    "schedules": "requests that callers keep, sealed for as long as they stand; what they send is in messages",
}
"""Tables of other rooms, and why no export tells of them."""
_ADVICE: Final = "name them in people/exporting/_tables.py: in LISTS, or in LEFT_OUT with a reason"


def _of_people() -> set[str]:
    return {
        table.name
        for table in Base.metadata.tables.values()
        if any(column.name in _OF_PEOPLE or column.name.endswith("_sealed") for column in table.columns)
    }


def test_every_table_with_something_of_people_is_exported_or_left_out_for_a_reason() -> None:
    told = {table for one in LISTS for table in one.tables} | {one.table for one in LISTS_OF_ACCOUNTS}
    reasons = LEFT_OUT | LEFT_OUT_OF_ACCOUNTS | _ELSEWHERE
    known = told | reasons.keys()
    assert _of_people() - known == set(), _ADVICE
    assert told & reasons.keys() == set()
    assert known - Base.metadata.tables.keys() == set()
    assert all(len(reason) > 10 for reason in reasons.values())
