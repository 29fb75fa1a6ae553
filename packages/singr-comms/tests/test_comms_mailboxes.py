"""Limits count mailboxes: a tag in an address, or a dot at Gmail, is no way past them; all else goes by the address."""

from datetime import timedelta
from typing import Any

import pytest
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text
from test_comms_limits import CODE, RESET, SONG, sent_of
from test_comms_memory import START

from singr_comms import MagicLink
from singr_comms.notifications import Explainer, SendingQuestion
from singr_comms.notifications._rows import recipient_hash
from singr_comms.notifications.sending._ordinary import OrdinaryWay
from singr_comms.notifications.sending._suppressions import suppress_by_reader
from singr_comms.notifying import Target, notify
from singr_comms.testing import MemoryNotifications
from singr_config import LimitSettings
from singr_db import PLATFORM_ORGANIZATION_ID
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError

LINK = MagicLink(user_email="jane@example.org", magic_link="https://a.example/l", expiry_minutes=15, ip_address="::1")
TWO: LimitSettings = LimitSettings(email_per_hour=2)
AT_ONE = [
    tuple(f"{name}@example.org" for name in ("jane+0", "Jane+1", "jane", "jane+news+more")),
    ("j.ane+0@gmail.com", "ja.ne@googlemail.com", "JANE@gmail.com", "jane+x@Gmail.com"),
]
OTHERS = [f"{name}@example.org" for name in ("jan.e", "jane-1", "joe+1", "+jane")]


@pytest.fixture(autouse=True)
def noon(clock: VirtualClock) -> None:
    """Limits count by the hour of the clock: a test does not straddle two."""
    tomorrow = clock.now() + timedelta(days=1)
    clock.move_to(tomorrow.replace(hour=12, minute=0, second=0, microsecond=0))


@pytest.fixture(params=["short", "whole"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of a message through the ledger."""

    async def gone(*_: Any, **__: Any) -> None:
        return None

    if request.param == "whole":
        monkeypatch.setattr(OrdinaryWay, "begin", gone)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("message", [SONG, CODE], ids=["other", "code"])
@pytest.mark.parametrize("names", AT_ONE)
async def test_a_mailbox_gets_no_more_than_the_limit_by_whatever_names(
    bench: Any, names: tuple[str, ...], message: Any
) -> None:
    bench.limits = TWO
    ids = [await bench.queue(message, to=name) for name in names]
    assert await sent_of(bench, ids) == 2
    held = [row for row in [await bench.row(message_id) for message_id in ids] if row.status == "suppressed"]
    assert {row.error["code"] for row in held} == {"recipient_limit"}
    others = [await bench.queue(message, to=name) for name in OTHERS for _ in range(2)]
    assert await sent_of(bench, others) == 8, "they are other people's"


async def test_who_reads_a_mailbox_by_several_names_unsubscribes_one_of_them(bench: Any) -> None:
    async with bench.db.platform() as session:
        print_ = recipient_hash(bench.sealer, "jane+1@example.org")
        await suppress_by_reader(session, organization_id=ORGANIZATION, recipient_hash=print_)
    one, other = [await bench.queue(SONG, to=name) for name in AT_ONE[0][:2]]
    assert await sent_of(bench, [one]) == 1
    with pytest.raises(PermanentError) as caught:
        await bench.send(other)
    assert caught.value.code == "opt_out"


async def test_strangers_who_ask_for_links_of_one_account_take_none_from_another_of_its_mailbox(bench: Any) -> None:
    bench.limits = TWO
    platform = {"organization": PLATFORM_ORGANIZATION_ID}
    asked = [await bench.queue(LINK, to=f"jane+{number % 4}@example.org", **platform) for number in range(12)]
    assert await sent_of(bench, asked, PLATFORM_ORGANIZATION_ID) == 8
    assert await sent_of(bench, [await bench.queue(LINK, **platform)], PLATFORM_ORGANIZATION_ID) == 1
    for message in (SONG, RESET):
        others = [await bench.queue(message, to=name, **platform) for name in AT_ONE[0]]
        assert await sent_of(bench, others, PLATFORM_ORGANIZATION_ID) == 2, "all else is counted by mailbox"


async def test_question_is_answered_as_the_mailbox_is_counted_and_no_count_tells_an_address(bench: Any) -> None:
    bench.limits = TWO
    providers: dict[str, Any] = {"email": ["memory"], "sms": ["memory"], "push": ["memory"]}
    explainer = Explainer(bench.db, bench.sealer, limits=TWO, **providers)
    question = SendingQuestion(channel="email", recipient="jane+9@example.org", kind="song_request")
    assert (await explainer.explain(ORGANIZATION, question)).outcome == "sent"
    assert await sent_of(bench, [await bench.queue(SONG, to=name) for name in AT_ONE[0][:2]]) == 2
    assert [one.code for one in (await explainer.explain(ORGANIZATION, question)).reasons] == ["recipient_limit"]
    async with bench.db.platform() as session:
        counts = (await session.execute(text("SELECT q::text FROM message_quotas AS q"))).scalars().all()
    dump = "\n".join(counts)
    assert not [name for name in AT_ONE[0] if name in dump or recipient_hash(bench.sealer, name).hex() in dump]


@pytest.mark.parametrize("names", AT_ONE)
async def test_in_memory_a_mailbox_gets_no_more_than_the_limit_by_whatever_names(names: tuple[str, ...]) -> None:
    outbox = MemoryNotifications(now=START, limits=TWO)
    said: dict[str, Any] = {"data": {"title": "You", "text": "Come on."}, "channels": ["email"]}
    for name in (*names, *OTHERS):
        async with outbox.tenant(ORGANIZATION) as session:
            await notify(session, "plain", Target(email=name), sealer=SEALER, **said)
    assert [one.reason for one in outbox.messages] == [None, None, "recipient_limit", "recipient_limit"] + [None] * 4
