"""Whose messages wait while a provider refuses: what was said of one organization's holds nobody else's."""

from uuid import UUID

import aiosmtplib
import pytest
from comms_desk import REFUSED, SONG, Desk, several, untold

from singr_comms import AccountRefusedError, TransientError
from singr_comms.notifications.sending import _holds
from singr_comms.providers._smtp._answers import Stage, sort_error
from singr_db import new_id

OF_MESSAGE = AccountRefusedError("smtp_554", "the mail server answered 554: relay access denied", of_message=True)


async def theirs(desk: Desk, count: int = 2) -> tuple[UUID, list[UUID]]:
    """Another organization, and its messages."""
    other = new_id()
    to = [f"guest{number}@example.com" for number in range(count)]
    return other, [await desk.bench.queue(SONG, to=one, organization=other) for one in to]


async def test_answers_to_one_organizations_recipients_hold_nobody_elses_messages(desk: Desk) -> None:
    """It may choose recipients whose own servers have the provider say so, and one mail of another shows it."""
    mine, other = await several(desk, 4), new_id()
    theirs = [await desk.bench.queue(SONG, to=f"guest{number}@example.com", organization=other) for number in range(2)]
    desk.bench.email.fail_next(*[untold()] * 3)
    for message_id in mine:
        await desk.held(message_id)
    await desk.send(theirs[0], whose=other)
    assert (desk.gauge(), await desk.refusals()) == (0, [])
    await desk.send(mine[3])
    desk.bench.email.fail_next(untold())
    assert (await desk.held(mine[0])).counts, "it may be about its recipient"
    await desk.send(theirs[1], whose=other)


async def test_same_answer_to_another_organization_as_well_holds_both(desk: Desk) -> None:
    mine, other = await several(desk, 3), new_id()
    theirs = [await desk.bench.queue(SONG, to=f"guest{number}@example.com", organization=other) for number in range(2)]
    desk.bench.email.fail_next(*[untold()] * 4)
    for message_id in mine:
        await desk.held(message_id)
    assert not (await desk.held(theirs[0], last=True, whose=other)).counts, "what is about us costs no message"
    assert (await desk.held(theirs[1], whose=other)).code == "provider_refused"
    assert desk.bench.email.calls == 4


async def test_answers_to_another_organization_do_not_hurry_the_tries_of_one_that_is_held(desk: Desk) -> None:
    mine, other = await several(desk, 4), new_id()
    theirs = await desk.bench.queue(SONG, to="guest@example.com", organization=other)
    desk.bench.email.fail_next(*[untold()] * 3, TransientError("smtp_452", "mailbox full", about_recipient=True))
    for message_id in mine[:3]:
        await desk.held(message_id)
    assert (await desk.held(theirs, whose=other)).counts
    desk.clock.now += 1.5
    assert (await desk.held(mine[3])).code == "provider_refused", "its own pause is two seconds"


async def test_what_is_about_our_account_holds_all_organizations(desk: Desk) -> None:
    [mine, *_], other = await several(desk, 3), new_id()
    theirs = await desk.bench.queue(SONG, to="guest@example.com", organization=other)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(mine)
    assert (await desk.held(theirs, whose=other)).code == "provider_refused"


async def test_what_was_said_of_one_message_holds_its_organization_alone(desk: Desk) -> None:
    """However sure it sounds: its recipient may have had the provider say so."""
    mine, (other, messages) = await several(desk, 3), await theirs(desk)
    desk.bench.email.fail_next(OF_MESSAGE)
    assert not (await desk.held(mine[0], last=True)).counts
    assert (await desk.held(mine[1])).code == "provider_refused"
    await desk.send(messages[0], whose=other)
    assert desk.gauge() == 0
    desk.bench.email.fail_next(OF_MESSAGE)
    await desk.held(mine[2])
    await desk.send(messages[1], whose=other)


async def test_each_organization_that_is_held_finds_out_by_itself(desk: Desk) -> None:
    """Whoever has many messages waiting does not take the tries of others."""
    mine, (other, messages) = await several(desk, 3), await theirs(desk)
    desk.bench.email.fail_next(OF_MESSAGE, OF_MESSAGE, OF_MESSAGE)
    await desk.held(mine[0])
    await desk.held(messages[0], whose=other)
    desk.clock.now += 2.1
    await desk.held(mine[1])
    await desk.send(messages[1], whose=other)
    assert desk.bench.email.calls == 4


async def test_what_many_organizations_have_met_holds_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_holds, "_MOST_BY_THEMSELVES", 2)
    desk.bench.email.fail_next(*[OF_MESSAGE] * 3)
    for _ in range(3):
        other, messages = await theirs(desk, 1)
        await desk.held(messages[0], whose=other)
    other, messages = await theirs(desk, 1)
    await desk.held(messages[0], whose=other)
    assert desk.bench.email.calls == 3


@pytest.mark.parametrize(
    ("stage", "of_message"),
    [(Stage.CONNECT, False), (Stage.SENDER, False), (Stage.RECIPIENT, True), (Stage.DATA, True), (Stage.CONTENT, True)],
)
def test_what_a_mail_server_says_once_a_recipient_is_named_is_said_of_that_message(
    stage: Stage, *, of_message: bool
) -> None:
    refused = sort_error(aiosmtplib.SMTPResponseException(550, "5.7.1 relay access denied"), stage, "mx.example")
    assert isinstance(refused, AccountRefusedError)
    assert refused.of_message is of_message
