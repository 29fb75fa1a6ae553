"""Times, numbers and amounts in what organizations name read as they were typed, by every channel and in digests."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from singr_comms import kind_of, render_email, render_push, render_sms
from singr_comms.catalogue import Message
from singr_comms.messages.digest import Digest
from singr_comms.messages.order_ready import OrderReady, OrderReadyPush, OrderReadySms
from singr_comms.messages.plain import PlainPush
from singr_comms.notifying.digests._words import digest_of
from singr_comms.rendering._brand import OrganizationBrand, Words
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings

LINK = "https://singrkaraoke.com/orders/1042"
SAID: dict[str, Any] = {
    "farm_name": "J.R.R. Farm, 3.50 EUR",
    "order_number": "2026.11.29-1",
    "pickup_place": "Gate 2, from 19:30",
    "pickup_until": "2026-12-29T19:30",
    "link": LINK,
}


def digest(channel: str, message: Message, brand: BrandSettings = DEFAULT_BRAND) -> Digest:
    row = SimpleNamespace(channel=channel, kind=kind_of(message), created_at=datetime(2026, 11, 28, tzinfo=UTC))
    made = digest_of(
        [row],
        opened=lambda _row: message,
        dressed=lambda _row, _message: (brand, "en"),
        who=SimpleNamespace(time_zone=None),
        name="Jane",
        period="daily",
        link=LINK,
    )
    assert made is not None
    return made


def test_what_an_organization_names_keeps_its_times_and_numbers_on_every_channel() -> None:
    push = render_push(OrderReadyPush(**SAID))
    texts = (
        render_sms(OrderReadySms(**SAID)),
        f"{push.title} {push.body}",
        render_email(OrderReady(user_name="Ada", **SAID)).text,
    )
    for text in texts:
        assert "2026.11.29-1" in text
        assert "J.R.R. Farm, 3.50 EUR" in text
        assert "from 19:30" in text


@pytest.mark.parametrize("brand", [DEFAULT_BRAND, OrganizationBrand(words=Words("{order_number}, {pickup_until}"))])
@pytest.mark.parametrize("channel", ["sms", "push"])
def test_digests_show_times_and_numbers_as_the_messages_would_have(channel: str, brand: BrandSettings) -> None:
    model = OrderReadySms if channel == "sms" else OrderReadyPush
    rendered = render_email(digest(channel, model(**SAID), brand)).text
    assert "2026.11.29-1" in rendered
    assert "29 December 2026 at 19:30" in rendered


def test_digests_show_no_address_of_an_item_torn_apart() -> None:
    rendered = render_email(digest("sms", OrderReadySms(**SAID))).text
    assert "https: //" not in rendered
    assert rendered.count("https://singrkaraoke.com/orders/1042") == 1, "the digest's own"


def test_digests_make_no_link_of_what_a_whole_text_says() -> None:
    rendered = render_email(digest("push", PlainPush(title="evil.example", text="See https://evil.example"))).text
    assert "evil.example" not in rendered
