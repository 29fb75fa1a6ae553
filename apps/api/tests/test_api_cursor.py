"""The form that the document promises of a cursor is the form that cursors have."""

import re

from hypothesis import given
from hypothesis import strategies as st

from singr_api.http.fields import Cursor
from singr_api.http.form.annotations import describe
from singr_db.pages import encode_cursor


@given(st.uuids())
def test_every_cursor_fits_its_schema(row_id) -> None:
    (meta,) = Cursor.__metadata__
    assert re.search(meta.pattern, encode_cursor(row_id))


def test_cursor_is_described_without_its_pattern() -> None:
    assert "[A-Za-z" not in describe(Cursor)
