"""Messages shown over HTTP: as JSON or as a page, every fault named by its path, nothing kept."""

from typing import Any

import pytest

AT = "/v1/notifications/preview"
DATA = {
    "farm_name": "Willow <Creek> Farm",
    "order_number": "A-1042",
    "pickup_place": "Market Hall",
    "link": "https://singrkaraoke.com/orders/1042",
}
READY: dict[str, Any] = {"type": "order_ready", "channel": "sms", "data": DATA}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def test_message_is_shown_on_each_of_its_channels_with_what_it_costs(owner: Any) -> None:
    sms = (await owner.post(AT, json=READY)).json()
    assert sms["text"].startswith("Willow <Creek> Farm: your order A-1042 is ready.")
    assert sms["segments"] == {"encoding": "GSM-7", "units": len(sms["text"]), "segments": 1}
    assert (sms["locale"], sms["fell_back"], sms["html"]) == ("en", False, None)
    push = (await owner.post(AT, json=READY | {"channel": "push"})).json()
    assert (push["subject"], push["link"]) == ("Your order is ready", DATA["link"])
    assert len(push["text"]) < push["bytes"] < 4096
    email = (await owner.post(AT, json=READY | {"channel": "email", "data": DATA | {"user_name": "Jane"}})).json()
    assert "Willow &lt;Creek&gt; Farm" in email["html"]
    assert "Willow <Creek> Farm" in email["text"]
    assert email["bytes"] == len(email["html"].encode()) + len(email["text"].encode())


async def test_page_is_the_mail_and_runs_nothing(owner: Any) -> None:
    page = {"accept": "text/html"}
    body = READY | {"channel": "email", "data": DATA | {"user_name": "<script>alert(1)</script>"}}
    mail = await owner.post(AT, json=body, headers=page)
    assert mail.headers["content-type"].startswith("text/html")
    assert mail.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "<script" not in mail.text
    assert "&lt;script&gt;" in mail.text
    text = await owner.post(AT, json=READY, headers=page)
    assert "<p>Willow &lt;Creek&gt; Farm: your order" in text.text


async def test_every_fault_is_named_at_its_path(owner: Any, world: Any) -> None:
    data = {"user_name": "", "period": "hourly", "first_day": "today", "items": [{"title": 7}], "link": "x", "no": 1}
    answer = await owner.post(AT, json={"type": "digest", "channel": "email", "data": data})
    errors = world.problem(answer, 422, "invalid")["errors"]
    paths = ["no", "user_name", "period", "first_day", "last_day", "items[0].title", "link"]
    assert [one["field"] for one in errors] == [f"data.{path}" for path in paths]
    assert all(one["location"] == "body" for one in errors)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "nonsense"}, "type"),
        ({"type": "price_drop"}, "channel"),
        ({"channel": "fax"}, "channel"),
        ({"data": []}, "data"),
        ({"locale": "x"}, "locale"),
        ({"brand": "x"}, "brand"),
    ],
)
async def test_what_cannot_be_shown_is_refused_by_its_field(
    owner: Any, world: Any, changes: dict[str, Any], field: str
) -> None:
    errors = world.problem(await owner.post(AT, json=READY | changes), 422, "invalid")["errors"]
    assert [one["field"] for one in errors] == [field]


@pytest.mark.parametrize("link", ["https://evil.example/x", "https://singr.example.evil.example/x"])
async def test_what_could_not_be_sent_is_not_shown_and_refused_in_the_same_words(
    owner: Any, world: Any, link: str
) -> None:
    data = DATA | {"link": link, "farm_name": "\u3164"}
    sent = {"type": "order_ready", "channels": ["sms"], "to": {"all": True}, "data": data}
    shown = await owner.post(AT, json=READY | {"data": data})
    told = [
        world.problem(answer, 422, "invalid")["errors"]
        for answer in (shown, await owner.post("/v1/notifications", json=sent, headers=world.key()))
    ]
    assert [(one["field"], one["code"]) for one in told[0]] == [
        ("data.link", "forbidden"),
        ("data.farm_name", "malformed"),
    ]
    assert told[0] == told[1]


async def test_span_that_ends_before_it_begins_is_refused_wherever_it_is_said(owner: Any, world: Any) -> None:
    days = {"first_day": "2026-11-28", "last_day": "2026-11-27"}
    data = {"period": "daily", **days, "link": "https://singrkaraoke.com/x", "items": [{"title": "New"}]}
    mail = {"to": {"email": "jane@example.org"}, "message": {"kind": "digest", **data}}
    told = {"type": "digest", "to": {"all": True}, "data": data}
    for path, body, field in (
        (AT, {"type": "digest", "channel": "email", "data": data}, "data.first_day"),
        ("/v1/notifications", told, "data.first_day"),
        ("/v1/jobs", {"type": "email.send", "payload": mail}, "payload.message.first_day"),
    ):
        answer = await owner.post(path, json=body, headers={} if path == AT else world.key())
        [error] = world.problem(answer, 422, "invalid")["errors"]
        assert (error["field"], error["message"]) == (field, "must not be after last_day")


async def test_platform_credential_sees_what_an_organization_would_send_and_no_other_sees_anothers(
    standing_url: str, client: Any, callers: Any, world: Any
) -> None:
    mail = READY | {"channel": "email", "data": DATA | {"user_name": "Jane"}}
    platforms, own = client(standing_url, callers.platform_key), client(standing_url, callers.api_key)
    theirs = (await own.post(AT, json=mail)).json()
    named = {"organization_id": str(world.organization)}
    header = {"x-singr-organization": str(world.organization)}
    assert (await platforms.post(AT, json=mail)).json() != theirs
    for asked in ({"params": named}, {"headers": header}, {"params": named, "headers": header}):
        assert (await platforms.post(AT, json=mail, **asked)).json() == theirs
    other = {"organization_id": str(world.other)}
    world.problem(await own.post(AT, json=mail, params=other), 403, "organization-forbidden")
    two = await platforms.post(AT, json=mail, params=other, headers=header)
    assert set(world.fields(world.problem(two, 422, "invalid"))) == {"x-singr-organization"}


async def test_language_that_a_type_has_no_words_in_is_english_and_says_so(owner: Any) -> None:
    shown = (await owner.post(AT, json=READY | {"locale": "xx"})).json()
    assert (shown["locale"], shown["fell_back"]) == ("en", True)
