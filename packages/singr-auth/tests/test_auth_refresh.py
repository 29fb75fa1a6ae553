"""Refresh tokens: rotated once, reused never; two tabs and a lost answer stay signed in."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from factors_support import GRACE, Clients, Person, SignIn, run
from sqlalchemy import text

from singr_auth import TokenKind, new_token, parse_token
from singr_auth.accounts import (
    Accounts,
    AccountSettings,
    RefreshReusedError,
    SecurityNotice,
    SessionEndedError,
    TemporarilyUnavailableError,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret, Settings
from singr_db import Database, Sealer
from singr_dev.clock import VirtualClock
from singr_observability import build_metrics


async def test_refresh_gives_a_new_pair_in_the_same_session(
    accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    user = await person()
    first = await sign_in(user)
    second = await accounts.refresh_rotation.refresh(first.refresh_token, client())
    assert (second.user_id, second.session_id) == (user.id, first.session_id)
    assert second.refresh_token != first.refresh_token
    checked = accounts.tokens.verify(second.access_token.reveal())
    assert (checked.user_id, checked.session_id, checked.methods) == (user.id, first.session_id, ("pwd",))
    third = await accounts.refresh_rotation.refresh(second.refresh_token, client())
    assert third.session_id == first.session_id


async def test_two_tabs_and_a_lost_answer_within_the_grace_stay_signed_in(
    accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    first = await sign_in(await person())
    one, other = [await accounts.refresh_rotation.refresh(first.refresh_token, client()) for _ in range(2)]
    assert one.refresh_token == other.refresh_token
    ahead = await accounts.refresh_rotation.refresh(one.refresh_token, client())
    behind = await accounts.refresh_rotation.refresh(other.refresh_token, client())
    assert ahead.refresh_token == behind.refresh_token
    late = await accounts.refresh_rotation.refresh(first.refresh_token, client())
    assert late.refresh_token == one.refresh_token
    assert len(await accounts.sessions.list(first.user_id)) == 1


async def test_fifty_concurrent_refreshes_give_one_lineage_and_all_get_the_same_successor(
    db: Database, accounts: Accounts, make_accounts: Callable[..., Accounts], person: Person, sign_in: SignIn,
    client: Clients,
) -> None:  # fmt: skip
    first = await sign_in(await person())
    processes = [accounts, *(make_accounts() for _ in range(3))]
    results = await asyncio.gather(
        *(processes[number % 4].refresh_rotation.refresh(first.refresh_token, client()) for number in range(50))
    )
    assert {result.refresh_token.reveal() for result in results} == {results[0].refresh_token.reveal()}
    [(tokens,)] = await run(db, "SELECT count(*) FROM refresh_tokens WHERE session_id = :id", id=first.session_id)
    assert tokens == 2


@pytest.mark.parametrize("generations", [1, 2, 5])
async def test_reused_refresh_token_ends_its_session_for_everybody_and_it_stays_ended(
    clock: VirtualClock,
    db: Database,
    accounts: Accounts,
    notifier: RecordingNotifier,
    person: Person,
    sign_in: SignIn,
    client: Clients,
    generations: int,
) -> None:
    """The previous token (1 generation back), and stale ones (more)."""
    user = await person()
    lineage = [await sign_in(user)]
    for _ in range(generations):
        lineage.append(await accounts.refresh_rotation.refresh(lineage[-1].refresh_token, client()))
    clock.advance(seconds=GRACE + 1)
    with pytest.raises(RefreshReusedError):
        await accounts.refresh_rotation.refresh(lineage[0].refresh_token, client())
    for _ in range(2):
        for result in lineage:
            with pytest.raises(SessionEndedError):
                await accounts.refresh_rotation.refresh(result.refresh_token, client())
    assert await accounts.sessions.list(user.id) == ()
    await accounts.access_feed.ensure_fresh()
    assert accounts.access_feed.session_revoked(lineage[0].session_id)
    assert [notice.event for notice in notifier.of(SecurityNotice)] == ["refresh_token_reused"]
    [(kind,)] = await run(
        db, "SELECT kind FROM security_events WHERE user_id = :id AND kind LIKE 'refresh%'", id=user.id
    )
    assert kind == "refresh_token.reused"


async def test_the_owner_who_comes_second_ends_the_thief_s_branch(
    clock: VirtualClock, db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    stolen = (await sign_in(await person())).refresh_token
    thief = await accounts.refresh_rotation.refresh(stolen, client())
    clock.advance(seconds=GRACE + 1)
    with pytest.raises(RefreshReusedError):
        await accounts.refresh_rotation.refresh(stolen, client())
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(thief.refresh_token, client())


async def test_a_branch_that_was_left_behind_ends_the_session_when_it_comes_back(
    clock: VirtualClock, db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    first = await sign_in(await person())
    left_behind = await accounts.refresh_rotation.refresh(first.refresh_token, client())
    ahead = await accounts.refresh_rotation.refresh(left_behind.refresh_token, client())
    clock.advance(seconds=GRACE + 1)
    with pytest.raises(RefreshReusedError):
        await accounts.refresh_rotation.refresh(left_behind.refresh_token, client())
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(ahead.refresh_token, client())


async def test_fifty_replays_at_once_after_the_grace_end_the_session_and_tell_once(
    clock: VirtualClock,
    db: Database,
    accounts: Accounts,
    notifier: RecordingNotifier,
    person: Person,
    sign_in: SignIn,
    client: Clients,
) -> None:
    first = await sign_in(await person())
    await accounts.refresh_rotation.refresh(first.refresh_token, client())
    clock.advance(seconds=GRACE + 1)
    outcomes = await asyncio.gather(
        *(accounts.refresh_rotation.refresh(first.refresh_token, client()) for _ in range(50)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {RefreshReusedError, SessionEndedError}
    assert len(notifier.of(SecurityNotice)) == 1


async def test_session_ends_though_nobody_can_be_told(clock: VirtualClock,
    db: Database, accounts: Accounts, notifier: RecordingNotifier, person: Person, sign_in: SignIn, client: Clients,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = await sign_in(await person())
    await accounts.refresh_rotation.refresh(first.refresh_token, client())
    clock.advance(seconds=GRACE + 1)

    async def broken(session: Any, _: Any) -> None:
        await session.execute(text("SELECT no_such_column"))

    monkeypatch.setattr(notifier, "notify", broken)
    with pytest.raises(RefreshReusedError):
        await accounts.refresh_rotation.refresh(first.refresh_token, client())
    assert await accounts.sessions.list(first.user_id) == ()


async def test_answer_that_was_lost_is_given_again_after_the_grace_to_who_asked_while_it_is_unused(
    clock: VirtualClock,
    db: Database,
    accounts: Accounts,
    notifier: RecordingNotifier,
    person: Person,
    sign_in: SignIn,
    client: Clients,
) -> None:
    """A laptop that was closed in the middle of a refresh, and opened an hour later."""
    first, here = await sign_in(await person()), client()
    lost = await accounts.refresh_rotation.refresh(first.refresh_token, here)
    clock.advance(seconds=GRACE + 1)
    again = await accounts.refresh_rotation.refresh(first.refresh_token, here)
    assert again.refresh_token == lost.refresh_token
    assert await accounts.refresh_rotation.refresh(again.refresh_token, here)
    assert notifier.of(SecurityNotice) == []
    clock.advance(seconds=GRACE + 1)
    with pytest.raises(RefreshReusedError):  # its successor was used
        await accounts.refresh_rotation.refresh(first.refresh_token, here)


@pytest.mark.parametrize("other", [{}, {"user_agent": "curl/8.5.0"}, {"user_agent": ""}])
async def test_lost_answer_is_given_to_nobody_elsewhere(
    clock: VirtualClock,
    db: Database,
    accounts: Accounts,
    person: Person,
    sign_in: SignIn,
    client: Clients,
    other: dict[str, str],
) -> None:
    """Else a thief and the owner could take turns for as long as the session lives."""
    first, here = await sign_in(await person()), client()
    await accounts.refresh_rotation.refresh(first.refresh_token, here)
    clock.advance(seconds=GRACE + 1)
    elsewhere = msgspec.structs.replace(here, **other) if other else client()
    with pytest.raises(RefreshReusedError):
        await accounts.refresh_rotation.refresh(first.refresh_token, elsewhere)


async def test_without_a_grace_each_token_is_good_once(
    make_accounts: Callable[..., Accounts], settings: Settings, person: Person, sign_in: SignIn, client: Clients
) -> None:
    jwt = msgspec.structs.replace(settings.jwt, refresh_grace=0)
    strict = make_accounts(settings=AccountSettings(app=settings.app, jwt=jwt, auth=settings.auth))
    first = await sign_in(await person())
    await strict.refresh_rotation.refresh(first.refresh_token, client())
    with pytest.raises(RefreshReusedError):
        await strict.refresh_rotation.refresh(first.refresh_token, client())


async def test_request_that_came_in_time_and_had_to_wait_here_is_no_reuse(
    db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    """Under load, requests wait for the session's row for longer than the grace: their senders did nothing wrong."""
    first = await sign_in(await person())
    async with db.platform() as busy:
        await busy.execute(text("SELECT id FROM auth_sessions WHERE id = :id FOR UPDATE"), {"id": first.session_id})
        waiting = asyncio.create_task(accounts.refresh_rotation.refresh(first.refresh_token, client()))
        assert not (await asyncio.wait({waiting}, timeout=1.0))[0]
        # as if another request had used the token half a second after this one came, and the grace had gone by since
        await busy.execute(
            text(
                "UPDATE refresh_tokens SET used_at = clock_timestamp() - make_interval(secs => :ago)"
                " WHERE session_id = :id"
            ),
            {"ago": GRACE + 0.5, "id": first.session_id},
        )
        token = parse_token(TokenKind.REFRESH, first.refresh_token.reveal())
        successor = accounts.refresh_rotation._successors(token)[0]
        await busy.execute(
            text(
                "INSERT INTO refresh_tokens (token_hash, session_id, parent_hash)"
                " SELECT :new, :id, token_hash FROM refresh_tokens"
            ),
            {"new": successor.hash, "id": first.session_id},
        )
    assert (await waiting).refresh_token == successor.secret


async def test_successor_is_the_same_while_auth_secret_is_being_replaced(
    db: Database, accounts: Accounts, settings: Settings, notifier: RecordingNotifier, person: Person,
    sign_in: SignIn, client: Clients,
) -> None:  # fmt: skip
    first = await sign_in(await person())
    before = await accounts.refresh_rotation.refresh(first.refresh_token, client())
    secret = Secret("another secret, which takes the place of the one before")

    def process(sealer: Sealer) -> Accounts:
        sections = AccountSettings(app=settings.app, jwt=settings.jwt, auth=settings.auth)
        return Accounts(db, sealer, accounts.limiter, notifier, settings=sections, metrics=build_metrics())

    rotated = process(Sealer(secret, (settings.auth.secret,)))
    unaware = process(Sealer(secret))
    try:
        again = await rotated.refresh_rotation.refresh(first.refresh_token, client())
        assert again.refresh_token == before.refresh_token
        with pytest.raises(TemporarilyUnavailableError):  # it cannot know the successor, but ends nobody's session
            await unaware.refresh_rotation.refresh(first.refresh_token, client())
        onward = await rotated.refresh_rotation.refresh(again.refresh_token, client())
        assert onward.session_id == first.session_id
    finally:
        rotated.close()
        unaware.close()


@pytest.mark.parametrize(
    "presented",
    ["", "srt_", "\0", "é" * 53, new_token(TokenKind.DEVICE).secret.reveal()],
    ids=["empty", "prefix", "NUL", "letters", "of a device"],
)
async def test_what_is_no_refresh_token_opens_nothing(accounts: Accounts, client: Clients, presented: str) -> None:
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(Secret(presented), client())


async def test_an_invented_refresh_token_opens_nothing(accounts: Accounts, client: Clients) -> None:
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(new_token(TokenKind.REFRESH).secret, client())
