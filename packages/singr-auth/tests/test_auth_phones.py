"""Phone numbers: one account's once the code was typed, kept while a factor needs them."""

import pytest
from factors_support import PHONE, Clients, Person, Someone, run

from singr_auth.accounts import (
    CodeBySms,
    CodeRefusedError,
    ConflictError,
    GuardLimitedError,
    InvalidValueError,
    NotFoundError,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_db import Database


async def test_phone_is_its_owner_s_once_the_code_was_typed(someone: Someone) -> None:
    phones = someone.accounts.phones
    assert await phones.add(someone.user_id, someone.session_id, "+1 (555) 555-0100", someone.client) == 300
    sent = someone.notifier.last(CodeBySms)
    assert (sent.phone, sent.purpose) == (PHONE, "phone")
    wrong = f"{(int(sent.code.reveal()) + 1) % 1_000_000:06}"
    with pytest.raises(CodeRefusedError):
        await phones.verify(someone.user_id, wrong, someone.client)
    assert await phones.verify(someone.user_id, sent.code.reveal(), someone.client) == "+1******0100"
    with pytest.raises(CodeRefusedError):
        await phones.verify(someone.user_id, sent.code.reveal(), someone.client)
    assert someone.told() == ["phone_changed"]


@pytest.mark.parametrize(
    "phone",
    [
        "",
        "5555550100",
        "+0555550100",
        "+1555555010012345678",
        "+\uff11\uff15\uff15\uff15\uff15\uff15\uff15\uff10\uff11\uff10\uff10",
        "\0",
    ],
)
async def test_what_is_no_number_is_refused_by_name(someone: Someone, phone: str) -> None:
    with pytest.raises(InvalidValueError, match="phone"):
        await someone.accounts.phones.add(someone.user_id, someone.session_id, phone, someone.client)


async def test_number_that_the_notifier_cannot_write_to_is_refused_in_its_words(someone: Someone) -> None:
    someone.notifier.wrong_phones[PHONE] = "must be one that can exist"
    with pytest.raises(InvalidValueError, match="must be one that can exist") as caught:
        await someone.accounts.phones.add(someone.user_id, someone.session_id, "+1 (555) 555-0100", someone.client)
    assert caught.value.field == "phone"
    with pytest.raises(InvalidValueError, match="must be one that can exist"):
        await someone.accounts.magic_links.request_by_sms(PHONE, someone.client)
    assert someone.notifier.of(CodeBySms) == []


async def test_number_belongs_to_one_account(
    someone: Someone, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    await someone.add_phone()
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    with pytest.raises(ConflictError):
        await other.add_phone()


async def test_five_messages_an_hour_go_to_a_number_whoever_asks(
    someone: Someone, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    for _ in range(5):
        other = Someone(someone.accounts, db, notifier, client)
        await other.arrive(await person())
        await other.accounts.phones.add(other.user_id, other.session_id, PHONE, other.client)
    with pytest.raises(GuardLimitedError):
        await someone.accounts.phones.add(someone.user_id, someone.session_id, PHONE, someone.client)
    assert len(notifier.of(CodeBySms)) == 5


async def test_number_that_a_factor_needs_stays_and_else_goes(someone: Someone) -> None:
    phones, user, session = someone.accounts.phones, someone.user_id, someone.session_id
    with pytest.raises(NotFoundError):
        await phones.remove(user, session, someone.client)
    await someone.add_phone()
    await someone.add("sms")
    with pytest.raises(ConflictError):
        await phones.remove(user, session, someone.client)
    await someone.accounts.second_factors.remove(user, session, "sms", someone.client)
    await phones.remove(user, session, someone.client)
    [row] = await run(someone.db, "SELECT phone_sealed, phone_hash, phone_masked, phone_verified_at FROM users")
    assert tuple(row) == (None, None, None, None)
