"""Second factors: behind every first one, each code good once, tries counted before they are compared."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import msgspec
import pyotp
import pytest
from sqlalchemy import text

from singr_auth import TokenKind, new_token
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    CodeByEmail,
    CodeBySms,
    CodeRefusedError,
    ConflictError,
    GuardLimitedError,
    GuardUnavailableError,
    InvalidCredentialsError,
    InvalidValueError,
    NotAllowedError,
    NotFoundError,
    ReauthenticationRequiredError,
    SecondFactorRequired,
    SecurityNotice,
    SessionEndedError,
    SignedIn,
    SignInResult,
    TemporarilyUnavailableError,
    TokenRefusedError,
)
from singr_auth.accounts._users import User
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import RedisSettings, Secret
from singr_db import Database, Sealer

Clients = Callable[..., ClientInfo]
Make = Callable[..., Accounts]
Person = Callable[..., Awaitable[User]]
PHONE = "+15555550100"
STEP = 30


async def run(db: Database, statement: str, **parameters: Any) -> Any:
    async with db.platform() as session:
        result = await session.execute(text(statement), parameters)
        return result.all() if result.returns_rows else None  # type: ignore[attr-defined] # a CursorResult


class Verifier:
    """A verification service that knows one code."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.code = "424242"
        self.away = False

    async def start(self, phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        if self.away:
            raise ConnectionError
        self.started.append(phone)

    async def check(self, phone: str, code: str) -> bool:
        if self.away:
            raise ConnectionError
        return phone in self.started and code == self.code


class Someone:
    """A person with a session, and the second factors that they add."""

    def __init__(self, accounts: Accounts, db: Database, notifier: RecordingNotifier, clients: Clients) -> None:
        self.accounts = accounts
        self.db = db
        self.notifier = notifier
        self.client = clients()
        self.clients = clients
        self.user_id = UUID(int=0)
        self.session_id = UUID(int=0)
        self.secret = ""
        self.backup_codes: tuple[Secret, ...] = ()

    async def arrive(self, user: User) -> None:
        """Sign in, before there is any second factor."""
        self.user_id = user.id
        await self.arrive_again()

    async def arrive_again(self) -> None:
        """Sign in once more, after all sessions were ended."""
        result = await self.begin()
        assert isinstance(result, SignedIn)
        self.session_id = result.session_id

    async def begin(self, first_factor: str = "password", **changed: Any) -> SignInResult:
        """The first factor was right."""
        client = self.clients(**changed)
        return await self.accounts.completion.complete(self.user_id, first_factor=first_factor, client=client)

    async def challenge(self, first_factor: str = "password") -> Secret:
        """The token of a sign-in that waits for its second factor."""
        result = await self.begin(first_factor)
        assert isinstance(result, SecondFactorRequired)
        return result.challenge_token

    async def add_totp(self) -> None:
        """Add an authenticator app."""
        factors = self.accounts.second_factors
        enrolment = await factors.begin_totp(self.user_id, self.session_id)
        self.secret = enrolment.secret.reveal()
        codes = await factors.confirm_totp(self.user_id, self.session_id, self.code(-1), self.client)
        self.backup_codes = codes or self.backup_codes

    async def add_phone(self, phone: str = PHONE) -> None:
        """Add a verified phone number."""
        await self.accounts.phones.add(self.user_id, self.session_id, phone, self.client)
        await self.accounts.phones.verify(self.user_id, self.notifier.last(CodeBySms).code.reveal(), self.client)

    async def add(self, method: Literal["sms", "email", "verify"]) -> None:
        """Add codes that are sent."""
        codes = await self.accounts.second_factors.add(self.user_id, self.session_id, method, self.client)
        self.backup_codes = codes or self.backup_codes

    def code(self, steps: int = 0) -> str:
        """What the authenticator app shows, `steps` away from now."""
        return pyotp.TOTP(self.secret).at(int(time.time()) + steps * STEP)

    async def verify(self, challenge: Secret, method: Any, code: str, **options: Any) -> SignedIn:
        """Type a code."""
        return await self.accounts.second_factor_sign_in.verify(challenge, method, code, self.client, **options)

    async def forget_limits(self) -> None:
        """As if an hour had passed."""
        await self.accounts.limiter._script.registered_client.flushdb()  # type: ignore[attr-defined] # redis-py's own

    async def grow_old(self) -> None:
        """As if the session's proof of presence were 16 minutes old."""
        await run(
            self.db,
            "UPDATE auth_sessions SET authenticated_at = authenticated_at - interval '16 minutes' WHERE id = :id",
            id=self.session_id,
        )

    async def reset(self, user_id: UUID | None = None) -> tuple[str, ...]:
        """An administrator takes the factors away."""
        async with self.db.platform() as session:
            return await self.accounts.second_factors.reset(
                session, user_id or self.user_id, actor="user:the-admin", client=None
            )

    async def events(self, like: str) -> list[str]:
        """The kinds of security events of this person."""
        rows = await run(
            self.db,
            "SELECT kind FROM security_events WHERE user_id = :id AND kind LIKE :like ORDER BY id",
            id=self.user_id,
            like=like,
        )
        return [kind for (kind,) in rows]

    def told(self) -> list[str]:
        """The security notices that were sent."""
        return [notice.event for notice in self.notifier.of(SecurityNotice)]


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


@pytest.fixture
async def someone(
    make_accounts: Make, verifier: Verifier, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> Someone:
    made = Someone(make_accounts(phone_verifier=verifier), db, notifier, client)
    await made.arrive(await person())
    notifier.clear()
    return made


@pytest.mark.parametrize("first_factor", ["password", "magic_link", "magic_link_sms", "passkey"])
async def test_no_first_factor_signs_in_alone_once_a_second_one_is_confirmed(
    someone: Someone, first_factor: str
) -> None:
    assert isinstance(await someone.begin(first_factor), SignedIn)
    await someone.add_totp()
    result = await someone.begin(first_factor)
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("totp", "backup_code")
    [(sessions,)] = await run(someone.db, "SELECT count(*) FROM auth_sessions")
    signed_in = await someone.verify(result.challenge_token, "totp", someone.code())
    [(after,)] = await run(someone.db, "SELECT count(*) FROM auth_sessions")
    assert after == sessions + 1
    methods = someone.accounts.tokens.verify(signed_in.access_token.reveal()).methods
    assert {"otp", "mfa"} < set(methods)


async def test_passkey_that_verified_its_user_counts_as_both_factors(someone: Someone) -> None:
    await someone.add_totp()
    result = await someone.accounts.completion.complete(
        someone.user_id, first_factor="passkey", client=someone.client, strong=True
    )
    assert isinstance(result, SignedIn)
    assert someone.accounts.tokens.verify(result.access_token.reveal()).methods == ("swk", "user", "mfa")


async def test_enrolment_that_was_not_confirmed_asks_for_nothing(someone: Someone) -> None:
    await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    assert isinstance(await someone.begin(), SignedIn)
    assert (await someone.accounts.second_factors.list(someone.user_id)).items == ()
    assert someone.told() == ["new_device"]


async def test_first_confirmed_factor_gives_ten_backup_codes_and_later_ones_none(someone: Someone) -> None:
    await someone.add_totp()
    first = someone.backup_codes
    assert len({code.reveal() for code in first}) == 10
    await someone.add("email")
    assert someone.backup_codes is first
    listed = await someone.accounts.second_factors.list(someone.user_id)
    assert [view.method for view in listed.items] == ["totp", "email"]
    assert listed.backup_codes_left == 10
    assert someone.told() == ["second_factor_added"] * 2
    assert await someone.events("second_factor.%") == ["second_factor.added"] * 2


async def test_enrolment_shows_its_secret_as_text_and_as_uri_of_the_same(someone: Someone) -> None:
    enrolment = await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    parsed = pyotp.parse_uri(enrolment.uri.reveal())
    assert parsed.secret == enrolment.secret.reveal()
    assert parsed.issuer == "Singr"


async def test_replaced_enrolment_confirms_nothing_and_a_wrong_code_neither(someone: Someone) -> None:
    factors = someone.accounts.second_factors
    old = (await factors.begin_totp(someone.user_id, someone.session_id)).secret.reveal()
    someone.secret = (await factors.begin_totp(someone.user_id, someone.session_id)).secret.reveal()
    with pytest.raises(CodeRefusedError) as refused:
        await factors.confirm_totp(someone.user_id, someone.session_id, pyotp.TOTP(old).now(), someone.client)
    assert refused.value.attempts_left == 4
    await factors.confirm_totp(someone.user_id, someone.session_id, someone.code(), someone.client)
    with pytest.raises(CodeRefusedError):
        await factors.confirm_totp(someone.user_id, someone.session_id, someone.code(1), someone.client)


async def test_new_app_takes_the_place_of_the_old_one_only_when_confirmed(someone: Someone) -> None:
    await someone.add_totp()
    old = someone.secret
    factors = someone.accounts.second_factors
    new = (await factors.begin_totp(someone.user_id, someone.session_id)).secret.reveal()
    await someone.verify(await someone.challenge(), "totp", someone.code())
    assert await factors.confirm_totp(someone.user_id, someone.session_id, pyotp.TOTP(new).now(), someone.client) == ()
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "totp", pyotp.TOTP(old).at(int(time.time()) + STEP))
    someone.secret = new
    await someone.verify(await someone.challenge(), "totp", someone.code(1))


async def test_totp_code_is_accepted_once(someone: Someone) -> None:
    await someone.add_totp()
    code = someone.code()
    await someone.verify(await someone.challenge(), "totp", code)
    challenge = await someone.challenge()
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "totp", code)
    with pytest.raises(CodeRefusedError):  # nor one of a step before
        await someone.verify(challenge, "totp", someone.code(-1))
    await someone.verify(challenge, "totp", someone.code(1))


async def test_confirming_code_does_not_sign_in_as_well(someone: Someone) -> None:
    await someone.add_totp()
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "totp", someone.code(-1))


async def test_fifty_concurrent_uses_of_one_totp_code_sign_in_once(someone: Someone) -> None:
    await someone.add_totp()
    challenges = [await someone.challenge() for _ in range(50)]
    code = someone.code()
    guard = someone.accounts.guard
    real = guard.limit

    async def unlimited(name: str, subject: str, limit: Any) -> None:
        if name != "second_factor.verify":
            await real(name, subject, limit)

    guard.limit = unlimited  # type: ignore[method-assign] # the limit would hide the race
    outcomes = await asyncio.gather(
        *(someone.verify(challenge, "totp", code) for challenge in challenges), return_exceptions=True
    )
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes} == {SignedIn, CodeRefusedError}


async def test_fifty_concurrent_tries_at_one_challenge_take_five(someone: Someone, monkeypatch: Any) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    compared = 0
    match = someone.accounts.totp.match

    def counted(*args: Any, **options: Any) -> int:
        nonlocal compared
        compared += 1
        return match(*args, **options)

    async def unlimited(*_: Any) -> None:
        return None

    monkeypatch.setattr(someone.accounts.totp, "match", counted)
    monkeypatch.setattr(someone.accounts.guard, "limit", unlimited)
    outcomes = await asyncio.gather(
        *(someone.verify(challenge, "totp", "000000") for _ in range(50)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {CodeRefusedError}
    assert compared == 5
    with pytest.raises(CodeRefusedError) as refused:
        await someone.verify(challenge, "totp", someone.code())
    assert refused.value.attempts_left == 0


async def test_ten_tries_in_a_quarter_of_an_hour_are_all_over_all_processes(
    someone: Someone, make_accounts: Make
) -> None:
    await someone.add_totp()
    await someone.forget_limits()
    processes = [someone.accounts, *(make_accounts() for _ in range(3))]
    challenges = [await someone.challenge() for _ in range(8)]
    outcomes = await asyncio.gather(
        *(
            processes[number % 4].second_factor_sign_in.verify(
                challenges[number % 8], "totp", "000000", someone.clients(address=f"203.0.113.{number}")
            )
            for number in range(40)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, CodeRefusedError) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, GuardLimitedError) for outcome in outcomes) == 30
    await someone.forget_limits()
    await someone.verify(await someone.challenge(), "totp", someone.code())  # nobody is locked out for good


async def test_no_code_is_compared_while_tries_cannot_be_counted(someone: Someone, make_accounts: Make) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    cut_off = make_accounts(redis=RedisSettings(url=Secret("redis://127.0.0.1:1/0")))
    with pytest.raises(GuardUnavailableError):
        await cut_off.second_factor_sign_in.verify(challenge, "totp", someone.code(), someone.client)
    with pytest.raises(GuardUnavailableError):
        await cut_off.second_factor_sign_in.send(challenge, "email", someone.client)
    await someone.verify(challenge, "totp", someone.code())


async def test_challenge_is_good_once_and_others_are_refused(someone: Someone) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    await someone.verify(challenge, "totp", someone.code())
    for refused in (challenge, Secret("sch_"), new_token(TokenKind.CHALLENGE).secret, Secret("\0")):
        with pytest.raises(TokenRefusedError):
            await someone.verify(refused, "backup_code", someone.backup_codes[0].reveal())
    late = await someone.challenge()
    await run(someone.db, "UPDATE auth_challenges SET expires_at = now() - interval '1 s' WHERE used_at IS NULL")
    with pytest.raises(TokenRefusedError):
        await someone.verify(late, "totp", someone.code(1))


@pytest.mark.parametrize("change", ["revoke_all", "disable", "remove"])
async def test_challenge_ends_with_what_it_stood_for(someone: Someone, change: str) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    if change == "revoke_all":  # a new password, say
        async with someone.db.platform() as session:
            await someone.accounts.sessions.revoke_all(session, someone.user_id, reason="password_changed")
    elif change == "disable":
        await run(someone.db, "UPDATE users SET status = 'disabled' WHERE id = :id", id=someone.user_id)
    else:
        await someone.accounts.second_factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    with pytest.raises((TokenRefusedError, CodeRefusedError)):
        await someone.verify(challenge, "totp", someone.code())


async def test_password_that_was_changed_meanwhile_does_not_sign_in(someone: Someone) -> None:
    with pytest.raises(InvalidCredentialsError):
        await someone.accounts.completion.complete(
            someone.user_id, first_factor="password", client=someone.client, password_hash="$argon2id$the-old-one"
        )


async def test_code_by_mail_and_by_sms_sign_in_once(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add("email")
    await someone.add("sms")
    for method, kind in (("email", CodeByEmail), ("sms", CodeBySms)):
        someone.notifier.clear()
        challenge = await someone.challenge()
        assert await someone.accounts.second_factor_sign_in.send(challenge, method, someone.client) == 300
        code = someone.notifier.last(kind).code.reveal()
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        with pytest.raises(CodeRefusedError) as refused:
            await someone.verify(challenge, method, wrong)
        assert refused.value.attempts_left == 4
        signed_in = await someone.verify(challenge, method, f"{code[:3]} {code[3:]}")
        assert "mfa" in someone.accounts.tokens.verify(signed_in.access_token.reveal()).methods
        with pytest.raises(TokenRefusedError):
            await someone.verify(challenge, method, code)


async def test_code_of_one_challenge_channel_or_time_is_none_of_another(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add("email")
    await someone.add("sms")
    step = someone.accounts.second_factor_sign_in
    first, second = await someone.challenge(), await someone.challenge()
    await step.send(first, "email", someone.client)
    code = someone.notifier.last(CodeByEmail).code.reveal()
    for challenge, method in ((second, "email"), (first, "sms")):
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, method, code)
    await step.send(first, "email", someone.client)
    newer = someone.notifier.last(CodeByEmail).code.reveal()
    if newer != code:
        with pytest.raises(CodeRefusedError):
            await someone.verify(first, "email", code)
    await run(someone.db, "UPDATE auth_challenges SET code_expires_at = now() - interval '1 s'")
    with pytest.raises(CodeRefusedError):
        await someone.verify(first, "email", newer)


async def test_five_codes_an_hour_are_sent_to_a_user(someone: Someone) -> None:
    await someone.add("email")
    step = someone.accounts.second_factor_sign_in
    challenges = [await someone.challenge() for _ in range(4)]
    outcomes = await asyncio.gather(
        *(step.send(challenges[number % 4], "email", someone.clients()) for number in range(20)),
        return_exceptions=True,
    )
    assert sum(outcome == 300 for outcome in outcomes) == 5
    assert len(someone.notifier.of(CodeByEmail)) == 5
    assert sum(isinstance(outcome, GuardLimitedError) for outcome in outcomes) == 15


async def test_new_codes_do_not_give_new_tries(someone: Someone) -> None:
    await someone.add("email")
    challenge = await someone.challenge()
    step = someone.accounts.second_factor_sign_in
    for _ in range(5):
        await step.send(challenge, "email", someone.client)
        await someone.forget_limits()
        code = someone.notifier.last(CodeByEmail).code.reveal()
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, "email", f"{(int(code) + 1) % 1_000_000:06}")
    with pytest.raises(TokenRefusedError):
        await step.send(challenge, "email", someone.client)


async def test_channel_of_the_first_factor_is_not_asked_again_while_there_is_another(someone: Someone) -> None:
    await someone.add("email")
    only = await someone.begin("magic_link")
    assert isinstance(only, SecondFactorRequired)
    assert only.methods == ("email", "backup_code")
    await someone.add_totp()
    result = await someone.begin("magic_link")
    assert isinstance(result, SecondFactorRequired)
    assert result.methods == ("totp", "backup_code")
    with pytest.raises(NotAllowedError):
        await someone.accounts.second_factor_sign_in.send(result.challenge_token, "email", someone.client)


async def test_verification_service_sends_and_checks_outside_any_transaction(
    someone: Someone, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await someone.add_phone()
    await someone.add("verify")
    challenge = await someone.challenge()
    step = someone.accounts.second_factor_sign_in
    with pytest.raises(CodeRefusedError):  # nothing was sent yet
        await someone.verify(challenge, "verify", verifier.code)
    open_transactions: list[int] = []
    start = verifier.start

    async def watched(phone: str, *, channel: Literal["sms", "call"] = "sms") -> None:
        [(there,)] = await run(
            someone.db,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'",
        )
        open_transactions.append(there)
        await start(phone, channel=channel)

    monkeypatch.setattr(verifier, "start", watched)
    await step.send(challenge, "verify", someone.client)
    assert (verifier.started, open_transactions) == ([PHONE], [0])
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "verify", "000000")
    assert isinstance(await someone.verify(challenge, "verify", verifier.code), SignedIn)


async def test_verification_service_that_is_away_says_so_and_opens_nothing(
    someone: Someone, verifier: Verifier
) -> None:
    await someone.add_phone()
    await someone.add("verify")
    challenge = await someone.challenge()
    verifier.away = True
    with pytest.raises(TemporarilyUnavailableError):
        await someone.accounts.second_factor_sign_in.send(challenge, "verify", someone.client)
    with pytest.raises(TemporarilyUnavailableError):
        await someone.verify(challenge, "verify", verifier.code)
    verifier.away = False
    await someone.accounts.second_factor_sign_in.send(challenge, "verify", someone.client)
    await someone.verify(challenge, "verify", verifier.code)


async def test_backup_code_signs_in_once_tells_how_many_are_left_and_its_owner(someone: Someone) -> None:
    await someone.add_totp()
    someone.notifier.clear()
    code = someone.backup_codes[0].reveal()
    signed_in = await someone.verify(await someone.challenge(), "backup_code", f"{code[:4]}-{code[4:].lower()}")
    assert signed_in.backup_codes_left == 9
    assert "backup_code_used" in someone.told()
    assert await someone.events("backup_code%") == ["backup_code.used"]
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "backup_code", code)


async def test_one_backup_code_fifty_times_at_once_has_one_winner(
    someone: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await someone.add_totp()
    challenges = [await someone.challenge() for _ in range(50)]

    async def unlimited(*_: Any) -> None:
        return None

    monkeypatch.setattr(someone.accounts.guard, "limit", unlimited)
    code = someone.backup_codes[3].reveal()
    outcomes = await asyncio.gather(
        *(someone.verify(challenge, "backup_code", code) for challenge in challenges), return_exceptions=True
    )
    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeRefusedError) for outcome in outcomes) == 49


async def test_backup_code_of_another_person_opens_nothing(
    someone: Someone, make_accounts: Make, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    await someone.add_totp()
    await other.add_totp()
    with pytest.raises(CodeRefusedError):
        await other.verify(await other.challenge(), "backup_code", someone.backup_codes[0].reveal())


async def test_new_backup_codes_replace_the_old_ones_and_their_owner_is_told(someone: Someone) -> None:
    factors = someone.accounts.second_factors
    with pytest.raises(ConflictError):
        await factors.replace_backup_codes(someone.user_id, someone.session_id, someone.client)
    await someone.add_totp()
    new = await factors.replace_backup_codes(someone.user_id, someone.session_id, someone.client)
    assert not {code.reveal() for code in new} & {code.reveal() for code in someone.backup_codes}
    with pytest.raises(CodeRefusedError):
        await someone.verify(await someone.challenge(), "backup_code", someone.backup_codes[0].reveal())
    await someone.verify(await someone.challenge(), "backup_code", new[0].reveal())
    assert "backup_codes_replaced" in someone.told()


async def test_trusted_device_skips_the_second_factor_with_its_own_token_only(
    someone: Someone, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    signed_in = await someone.verify(challenge, "totp", someone.code(), remember_device=True)
    token = signed_in.device_token
    assert token is not None
    assert isinstance(await someone.begin(device_token=token), SignedIn)
    assert isinstance(await someone.begin("magic_link", device_token=token), SignedIn)
    for foreign in (None, Secret("sdv_"), new_token(TokenKind.DEVICE).secret, signed_in.refresh_token):
        assert isinstance(await someone.begin(device_token=foreign), SecondFactorRequired)
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    await other.add_totp()
    assert isinstance(await other.begin(device_token=token), SecondFactorRequired)
    await run(db, "UPDATE devices SET trusted_until = now() - interval '1 s'")
    assert isinstance(await someone.begin(device_token=token), SecondFactorRequired)


async def test_device_is_trusted_only_where_its_owner_asked_for_it(someone: Someone) -> None:
    await someone.add_totp()
    signed_in = await someone.verify(await someone.challenge(), "totp", someone.code())
    assert isinstance(await someone.begin(device_token=signed_in.device_token), SecondFactorRequired)


@pytest.mark.parametrize("change", ["sign_out_everywhere", "password", "added", "removed", "device", "codes"])
async def test_trust_ends_when_what_it_rests_on_changes(someone: Someone, change: str) -> None:
    await someone.add_totp()
    await someone.add("email")
    signed_in = await someone.verify(await someone.challenge(), "totp", someone.code(), remember_device=True)
    token, accounts = signed_in.device_token, someone.accounts
    assert isinstance(await someone.begin(device_token=token), SignedIn)
    if change == "sign_out_everywhere":
        await accounts.sessions.sign_out_everywhere(someone.user_id, someone.client)
    elif change == "password":
        async with someone.db.platform() as session:
            await accounts.sessions.revoke_all(
                session, someone.user_id, reason="password_changed", keep=someone.session_id
            )
    elif change == "added":
        await someone.add_phone()
        await someone.add("sms")
    elif change == "removed":
        await accounts.second_factors.remove(someone.user_id, someone.session_id, "email", someone.client)
    elif change == "device":
        devices = await accounts.devices.list(someone.user_id)
        trusted = next(device.id for device in devices if device.trusted_until is not None)
        await accounts.devices.remove(someone.user_id, trusted, someone.client)
    else:
        await someone.reset()
        assert isinstance(await someone.begin(), SignedIn)
        await someone.arrive_again()
        await someone.add_totp()
    assert isinstance(await someone.begin(device_token=token), SecondFactorRequired)


async def test_new_device_is_told_except_the_very_first_and_known_ones(someone: Someone) -> None:
    first = await someone.begin()
    assert isinstance(first, SignedIn)
    assert someone.told() == ["new_device"]
    assert first.device_token is not None
    again = await someone.begin(device_token=first.device_token)
    assert isinstance(again, SignedIn)
    assert again.device_token is None
    assert someone.told() == ["new_device"]


async def test_devices_are_listed_and_removed_by_their_owner_only(someone: Someone, person: Person) -> None:
    other = await person()
    [device] = await someone.accounts.devices.list(someone.user_id)
    assert device.device == "Firefox on Linux"
    with pytest.raises(NotFoundError):
        await someone.accounts.devices.remove(other.id, device.id, someone.client)
    await someone.accounts.devices.remove(someone.user_id, device.id, someone.client)
    with pytest.raises(NotFoundError):
        await someone.accounts.devices.remove(someone.user_id, device.id, someone.client)
    assert await someone.accounts.devices.list(someone.user_id) == ()


async def test_last_factor_takes_the_backup_codes_with_it(someone: Someone) -> None:
    await someone.add_totp()
    await someone.add("email")
    factors = someone.accounts.second_factors
    await factors.remove(someone.user_id, someone.session_id, "email", someone.client)
    assert (await factors.list(someone.user_id)).backup_codes_left == 10
    await factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    assert (await factors.list(someone.user_id)).backup_codes_left == 0
    assert isinstance(await someone.begin(), SignedIn)
    with pytest.raises(NotFoundError):
        await factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    assert someone.told().count("second_factor_removed") == 2


async def test_two_first_factors_at_once_give_one_set_of_backup_codes(someone: Someone) -> None:
    await someone.add_phone()
    factors = someone.accounts.second_factors
    given = await asyncio.gather(
        *(factors.add(someone.user_id, someone.session_id, method, someone.client) for method in ("sms", "email"))
    )
    assert sorted(len(codes) for codes in given) == [0, 10]
    assert (await factors.list(someone.user_id)).backup_codes_left == 10


async def test_every_change_wants_a_proof_of_presence_that_is_fresh(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add_totp()
    await someone.grow_old()
    accounts, user, session, client = someone.accounts, someone.user_id, someone.session_id, someone.client
    for change in (
        accounts.second_factors.begin_totp(user, session),
        accounts.second_factors.confirm_totp(user, session, "000000", client),
        accounts.second_factors.add(user, session, "email", client),
        accounts.second_factors.remove(user, session, "totp", client),
        accounts.second_factors.replace_backup_codes(user, session, client),
        accounts.phones.add(user, session, "+15555550199", client),
        accounts.phones.remove(user, session, client),
    ):
        with pytest.raises(ReauthenticationRequiredError):
            await change
    await accounts.reauthentication.by_totp(user, session, someone.code(), client)
    await accounts.second_factors.add(user, session, "email", client)


async def test_presence_is_proved_by_password_code_or_backup_code(
    someone: Someone, password: Secret, make_accounts: Make
) -> None:
    await someone.add_totp()
    proof, user, session, client = (
        someone.accounts.reauthentication,
        someone.user_id,
        someone.session_id,
        someone.client,
    )
    await someone.grow_old()
    with pytest.raises(InvalidCredentialsError):
        await proof.by_password(user, session, Secret("not the password at all"), client)
    with pytest.raises(CodeRefusedError):
        await proof.by_totp(user, session, "000000", client)
    with pytest.raises(CodeRefusedError):
        await proof.by_backup_code(user, session, "AAAAAAAA", client)
    with pytest.raises(ReauthenticationRequiredError):
        await proof.require_recent(session)
    await proof.by_password(user, session, password, client)
    await proof.require_recent(session)
    await someone.grow_old()
    await proof.by_totp(user, session, someone.code(), client)
    await proof.require_recent(session)
    with pytest.raises(CodeRefusedError):
        await proof.by_totp(user, session, someone.code(), client)
    await someone.grow_old()
    _, left = await proof.by_backup_code(user, session, someone.backup_codes[0].reveal(), client)
    assert left == 9
    await proof.require_recent(session)
    await someone.accounts.sessions.sign_out(user, session, client)
    with pytest.raises(ReauthenticationRequiredError):
        await proof.require_recent(session)
    with pytest.raises(SessionEndedError):
        await proof.by_password(user, session, password, client)


async def test_presence_proved_in_one_session_says_nothing_of_another(
    someone: Someone, person: Person, password: Secret
) -> None:
    other = await person()
    with pytest.raises(SessionEndedError):
        await someone.accounts.reauthentication.by_password(other.id, someone.session_id, password, someone.client)


async def test_mail_and_sms_factors_want_a_verified_address_and_number(someone: Someone, make_accounts: Make) -> None:
    factors = someone.accounts.second_factors
    for method in ("sms", "verify"):
        with pytest.raises(ConflictError):
            await factors.add(someone.user_id, someone.session_id, method, someone.client)
    await run(someone.db, "UPDATE users SET email_verified_at = NULL")
    with pytest.raises(ConflictError):
        await factors.add(someone.user_id, someone.session_id, "email", someone.client)
    await someone.add_phone()
    with pytest.raises(NotAllowedError):  # without such a service
        await make_accounts().second_factors.add(someone.user_id, someone.session_id, "verify", someone.client)
    await someone.add("sms")
    with pytest.raises(ConflictError):
        await someone.add("sms")


async def test_administrator_resets_lost_factors_and_the_owner_is_told(someone: Someone) -> None:
    await someone.add_totp()
    someone.notifier.clear()
    removed = await someone.reset()
    assert removed == ("totp",)
    assert someone.told() == ["second_factor_removed"]
    [(actor, detail)] = await run(
        someone.db, "SELECT actor, detail FROM security_events WHERE kind = 'second_factors.reset'"
    )
    assert (actor, detail["methods"]) == ("user:the-admin", ["totp"])
    assert await someone.accounts.sessions.list(someone.user_id) == ()
    assert isinstance(await someone.begin(), SignedIn)
    with pytest.raises(NotFoundError):
        await someone.reset(UUID(int=9))


async def test_database_holds_no_usable_code_secret_or_number(someone: Someone) -> None:
    await someone.add_totp()
    await someone.add_phone()
    await someone.add("email")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "email", someone.client)
    await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    secrets = [
        someone.secret,
        PHONE,
        PHONE.removeprefix("+"),
        challenge.reveal(),
        someone.notifier.last(CodeByEmail).code.reveal(),
        *(code.reveal() for code in someone.backup_codes),
    ]
    for table in ("users", "second_factors", "backup_codes", "auth_challenges", "security_events", "devices"):
        for (row,) in await run(someone.db, f"SELECT to_jsonb(t)::text FROM {table} t"):
            for secret in secrets:
                assert f'"{secret}"' not in row
                assert len(secret) <= 6 or secret not in row
                assert secret.encode().hex() not in row


async def test_totp_secret_moved_to_another_person_s_row_opens_nothing(
    someone: Someone, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    await someone.add_totp()
    other = Someone(someone.accounts, db, notifier, client)
    await other.arrive(await person())
    await other.add_totp()
    await run(
        db,
        "UPDATE second_factors SET secret_sealed = (SELECT secret_sealed FROM second_factors WHERE user_id = :from)"
        " WHERE user_id = :to",
        **{"from": someone.user_id, "to": other.user_id},
    )
    with pytest.raises(Exception, match="sealed for another context"):
        await other.verify(await other.challenge(), "totp", someone.code(1))


async def test_codes_and_secrets_hold_while_auth_secret_is_being_replaced(
    someone: Someone, make_accounts: Make, db: Database, sealer: Sealer, settings: Any
) -> None:
    await someone.add_totp()
    await someone.add("email")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "email", someone.client)
    rotated = Sealer(Secret("another secret, which takes the place of the one before"), (settings.auth.secret,))
    sections = someone.accounts.settings
    after = Accounts(
        db,
        rotated,
        someone.accounts.limiter,
        someone.notifier,
        settings=sections,
        metrics=someone.accounts.metrics,
    )
    try:
        code = someone.notifier.last(CodeByEmail).code.reveal()
        await after.second_factor_sign_in.verify(challenge, "email", code, someone.client)
        await after.second_factor_sign_in.verify(await someone.challenge(), "totp", someone.code(), someone.client)
        backup = someone.backup_codes[0].reveal()
        await after.second_factor_sign_in.verify(await someone.challenge(), "backup_code", backup, someone.client)
    finally:
        after.close()


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


async def test_code_that_went_to_the_number_of_before_opens_nothing(someone: Someone) -> None:
    await someone.add_phone()
    await someone.add("sms")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "sms", someone.client)
    old = someone.notifier.last(CodeBySms).code.reveal()
    await someone.add_phone("+15555550188")
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "sms", old)


async def test_result_shows_no_secret_when_printed(someone: Someone) -> None:
    enrolment = await someone.accounts.second_factors.begin_totp(someone.user_id, someone.session_id)
    assert enrolment.secret.reveal() not in repr(enrolment)
    assert isinstance(enrolment, msgspec.Struct)
