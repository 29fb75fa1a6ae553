"""The form that the document promises of a cursor is the form that cursors have."""

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from singr_api.http.fields import Cursor
from singr_api.http.form.annotations import describe
from singr_comms.people import RecipientInput
from singr_db.pages import encode_cursor


@given(st.uuids())
def test_every_cursor_fits_its_schema(row_id) -> None:
    (meta,) = Cursor.__metadata__
    assert re.search(meta.pattern, encode_cursor(row_id))


def test_cursor_is_described_without_its_pattern() -> None:
    assert "[A-Za-z" not in describe(Cursor)


def test_what_may_be_left_out_reads_as_a_sentence() -> None:
    said = {one.name: describe(one.type) for one in msgspec.structs.fields(RecipientInput)}
    assert said["locale"].startswith("a string of 2 to 35 characters (a BCP 47 language tag: ")
    assert said["locale"].endswith(", such as de-AT, or null")
    assert said["phone"] == "a string (E.164: +, then 7 to 15 digits, without spaces), such as +15555550100, or null"
