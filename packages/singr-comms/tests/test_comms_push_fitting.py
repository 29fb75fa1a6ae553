"""A push that was taken fits in every language, and in an organization's own words: what is too much is cut."""

import msgspec
import pytest

from singr_comms import PushEnvelope, render_push
from singr_comms.channels.push import _fitting
from singr_comms.messages.order_ready import OrderReadyPush
from singr_comms.providers.fcm import compose
from singr_comms.rendering._brand import OrganizationBrand, Words

NOTE = "\U0001f3b5"
LONGEST = OrderReadyPush(
    farm_name=NOTE * 80,
    order_number="A-1042",
    pickup_place=NOTE * 80,
    link="https://singr.example/" + "x" * 400,
)


def test_own_words_that_outgrow_a_push_are_cut_and_sent() -> None:
    words = Words(text=NOTE * 300 + "{pickup_place}" * 6, subject="{farm_name} {pickup_place}")
    brand = OrganizationBrand(words=words)
    message = compose(PushEnvelope(to="t" * 20, message=LONGEST, idempotency_token="x" * 64, brand=brand))
    said = message.pop("notification")
    assert len(msgspec.json.encode(message)) + len(msgspec.json.encode(said)) <= 4096
    assert said["body"].startswith(NOTE * 200)
    assert said["body"].endswith("…")
    assert message["data"]["link"] == LONGEST.link, "where it leads is whole"


def test_own_words_that_fit_are_said_whole() -> None:
    brand = OrganizationBrand(words=Words(text="Come and get {order_number}: {link}", subject="Ready"))
    said = render_push(LONGEST, brand)
    assert (said.title, said.body) == ("Ready", f"Come and get A-1042: {LONGEST.link}")


@pytest.mark.parametrize(
    ("text", "room", "kept"),
    [
        ("abcdef", 6, "abcdef"),
        ("abc def ghi", 10, "abc…"),
        ('a"b"c"d"e', 10, 'a"b…'),
        ("ab\u0301" * 4, 12, "ab\u0301a…"),
        ("ab\u0301" * 4, 10, "ab\u0301…"),
        ("x\U0001f468\u200d\U0001f467", 11, "x…"),
        ("a\u2068Anna Lena\u2069 b", 15, "a\u2068Anna…\u2069"),
        ("\U0001f3b5\U0001f3b5\U0001f3b5", 9, "…"),
    ],
)
def test_text_is_cut_between_signs_and_never_within_one(text: str, room: int, kept: str) -> None:
    found = _fitting(text, room)
    assert found == kept
    assert len(msgspec.json.encode(found)) - 2 <= room
