"""S24: what Twilio signed, run together without anything between, is taken as it was cut there and in no other way."""

import hashlib
import json
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
from comms_callbacks import TWILIO_TOKEN, doors, json_twilio, sid, twilio

from singr_comms.inbound import AddressNews, Callback, ForgedError, MessageNews

ACCOUNT = "AC" + 32 * "0"
OWN, VICTIM, OURS = "+491709999999", "+491701234567", "+15005550006"
SID = sid("text")
DOORS = doors(TWILIO_ACCOUNT_SID=ACCOUNT)


def text(body: str, *, sender: str = OWN, **more: str) -> dict[str, str]:
    """A text as Twilio tells of it."""
    about = {"AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "Body": body, "From": sender, "FromCity": "BERLIN"}
    return about | {"MessageSid": SID, "NumMedia": "0", "SmsMessageSid": SID, "SmsSid": SID, "To": OURS} | more


def cut_anew(genuine: Callback, fields: list[tuple[str, str]]) -> Callback:
    """The same signature over other fields that read the same when they are run together."""
    one, other = ("".join(map("".join, sorted(set(pairs)))) for pairs in (parse_qsl(genuine.body.decode()), fields))
    assert one == other, "it is another text"
    return msgspec.structs.replace(genuine, body=urlencode(fields).encode())


def refused(callback: Callback) -> str:
    with pytest.raises(ForgedError) as caught:
        DOORS.prove("twilio", callback)
    assert caught.value.code == "ambiguous"
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "sender", "instead"),
    [
        (f"STOPFrom{VICTIM}", OWN, [("Body", "STOP"), ("From", VICTIM), ("From", OWN)]),
        (f"STOPFrom{VICTIM}", OWN, [("Body", "STOP"), ("From", VICTIM), (f"From{OWN}", "")]),
        (f"STOPFrom{VICTIM}FromA", OWN, [("Body", "STOP"), ("From", VICTIM), ("FromA", f"From{OWN}")]),
        (f"STOPFrom{VICTIM}", "72345", [("Body", "STOP"), ("From", VICTIM), ("From7", "2345")]),
    ],
    ids=["repeated", "plain-name", "name-in-value", "short-code"],
)
def test_text_whose_words_hold_a_field_stops_nobody_else_when_it_is_sent_again_cut_anew(
    body: str, sender: str, instead: list[tuple[str, str]]
) -> None:
    genuine = twilio(text(body, sender=sender), part="inbound")
    [news] = DOORS.prove("twilio", genuine).news
    assert news.event == "received", "as Twilio cut it, it is a text as any other"
    rest = [(name, value) for name, value in text(body).items() if name not in {"Body", "From"}]
    assert "From" in refused(cut_anew(genuine, [*rest, *instead]))


def test_start_that_is_sent_again_cut_anew_is_no_other_start() -> None:
    genuine = twilio(text("START"), part="inbound")
    [news] = DOORS.prove("twilio", genuine).news
    assert isinstance(news, AddressNews)
    kept = {name: value for name, value in text("START").items() if name not in {"SmsSid", "To"}}
    assert refused(cut_anew(genuine, [*kept.items(), ("SmsSid", f"{SID}To{OURS}")]))
    joined = {name: value for name, value in text("START").items() if name not in {"MessageSid", "NumMedia"}}
    assert "MessageSid" in refused(cut_anew(genuine, [*joined.items(), ("MessageSid", f"{SID}NumMedia0")]))
    assert "MessageSid" in refused(cut_anew(genuine, [*joined.items(), ("MessageSi", f"d{SID}NumMedia0")]))


def test_end_of_the_address_is_no_field_and_no_field_the_end_of_the_address() -> None:
    evil = json.dumps({"MessageSid": SID, "From": VICTIM, "Body": "STOP"}).encode()
    body = f"&bodySHA256={hashlib.sha256(evil).hexdigest()}&z="
    genuine = twilio(text(body), part="inbound", query="x=1")
    assert DOORS.prove("twilio", genuine).news
    query = "x=1" + "".join(map("".join, sorted(text(body).items())))
    headers = {**genuine.headers, "content-type": "application/json"}
    forged = msgspec.structs.replace(genuine, query=query, body=evil, headers=headers)
    assert "bodySHA256" in refused(forged)
    status = {"MessageSid": SID, "MessageStatus": "sent"}
    assert "message_id" in refused(twilio(status, query="message_id=1&message_id=2"))
    assert "MessageSid" in refused(twilio(status, query="message_id=1MessageSid"))


@pytest.mark.parametrize(
    "changed",
    [
        {"MessageSid": "SM1"},
        {"MessageSid": SID.upper()},
        {"SmsSid": sid("other")},
        {"AccountSid": "AC" + 32 * "1"},
        {"OriginalRepliedMessageSid": f"{SID}To{OURS}"},
    ],
)
def test_field_that_is_not_as_twilio_writes_it_is_refused(changed: dict[str, str]) -> None:
    assert next(iter(changed)).removeprefix("Original")[:5] in refused(twilio(text("STOP") | changed, part="inbound"))


def test_repeated_field_that_is_not_read_and_words_that_look_like_fields_are_fine() -> None:
    said = [*text("Body and From, and MessageStatus").items(), ("Extra", "a"), ("Extra", "b")]
    assert DOORS.prove("twilio", twilio(said, part="inbound")).news[0].event == "received"
    assert refused(twilio([("MessageSid", SID), ("MessageStatus", "sent"), ("MessageStatus", "failed")]))
    whole = json_twilio({"MessageSid": SID, "MessageStatus": "delivered", "To": "rcs:+1; x"}, secret=TWILIO_TOKEN)
    [news] = DOORS.prove("twilio", whole).news
    assert isinstance(news, MessageNews)
    assert (news.state, news.recipient) == ("delivered", None)
