"""STOP and START, as people type them on phones."""

from typing import Any

import pytest
from comms_callbacks import twilio
from comms_told import DOORS

from singr_comms.inbound import AddressNews

STOP = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stop all", "stopall", "optout")


def read(body: str) -> Any:
    fields = {"MessageSid": "SM" + "0" * 32, "From": "+15555550177", "To": "+15555550100", "Body": body}
    [news] = DOORS.prove("twilio", twilio(fields, part="inbound")).news
    return news


@pytest.mark.parametrize("word", STOP)
def test_word_that_ends_messages_holds_however_it_is_typed(word: str) -> None:
    for typed in (word, word.upper(), word.title(), word.replace(" ", " \n\u00a0 "), word.replace(" ", "-")):
        for around in ("{}", " {}\r\n", "{}.", "{}!!", '"{}"', "“{}”", "({})", "{} 🛑\ufe0f", "\u200b{}…"):
            news = read(around.format(typed))
            assert isinstance(news, AddressNews), around.format(typed)
            assert (news.recipient, news.wants) == ("+15555550177", False)


@pytest.mark.parametrize(
    "body",
    ["\uff33\uff34\uff2f\uff30", "\uff33\uff54\uff4f\uff50\u3000\uff21\uff4c\uff4c\uff01", "\u24e2\u24e3\u24de\u24df"],
)
def test_other_widths_of_letters_are_the_same_letters(body: str) -> None:
    assert not read(body).wants


@pytest.mark.parametrize("body", ["START", "Start!", '"Yes."', "\uff35\uff2e\uff33\uff34\uff2f\uff30", "un-stop"])
def test_word_that_begins_messages_again_holds_however_it_is_typed(body: str) -> None:
    assert read(body).wants


@pytest.mark.parametrize(
    "body",
    [
        "Stop please",
        "Don't stop!",
        "yes, stop",
        "When does it end?",
        "S T O P",
        "stops",
        "\u0441\u0442\u043e\u043f",
        "!",
        "",
    ],
)
def test_more_than_the_word_is_free_text_that_nothing_follows_from(body: str) -> None:
    assert not isinstance(read(body), AddressNews)
