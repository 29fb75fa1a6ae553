"""Invitations are mail to strangers: so many a day by an organization, and so many an hour to an address."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from organizations_support import House

from singr_auth.accounts import Accounts, GuardLimitedError, GuardUnavailableError, InvalidValueError
from singr_auth.accounts.organizations import INVITATIONS_A_DAY, InvitationLimits
from singr_config import Secret
from singr_config.constants import RATE_LIMITS, RateLimit


class Counting:
    """A guard that writes down what it is asked, and refuses one name when told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, RateLimit]] = []
        self.refused = ""

    async def limit(self, name: str, subject: str, limit: RateLimit) -> None:
        self.asked.append((name, subject, limit))
        if name == self.refused:
            raise GuardLimitedError(60)


async def test_each_mail_is_counted_by_organization_and_then_by_address(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    guard = Counting()
    limits = InvitationLimits(house.db, guard)
    await limits.count_new(organization, " Guest@Example.org ")
    expected = [
        ("invitation.organization", str(organization), INVITATIONS_A_DAY),
        ("invitation.address", "email:guest@example.org", RATE_LIMITS.magic_link),
    ]
    assert guard.asked == expected
    invitation, _ = await house.invite(organization, owner, "guest@example.org")
    await limits.count_resent(organization, invitation)
    assert guard.asked == expected * 2
    guard.refused = "invitation.organization"  # then what others may send to the address is not used up
    with pytest.raises(GuardLimitedError):
        await limits.count_new(organization, "guest@example.org")
    assert guard.asked[4:] == expected[:1]
    elsewhere = await house.organization(owner, "Elsewhere")
    await limits.count_resent(elsewhere, invitation)  # not theirs: nothing goes out, and nothing is told of it
    await limits.count_resent(organization, uuid4())
    with pytest.raises(InvalidValueError, match="email"):
        await limits.count_new(organization, "nobody")
    assert len(guard.asked) == 5


async def test_address_gets_five_invitations_an_hour_whoever_sends_them(house: House, accounts: Accounts) -> None:
    for _ in range(RATE_LIMITS.magic_link.limit):
        await accounts.invitation_limits.count_new(uuid4(), "guest@example.org")
    with pytest.raises(GuardLimitedError) as refused:
        await accounts.invitation_limits.count_new(uuid4(), "GUEST@example.org")
    assert refused.value.retry_after > 60
    await accounts.invitation_limits.count_new(uuid4(), "other@example.org")


async def test_organization_sends_fifty_invitations_a_day(house: House, accounts: Accounts) -> None:
    organization = uuid4()
    for number in range(INVITATIONS_A_DAY.limit):
        await accounts.invitation_limits.count_new(organization, f"guest-{number}@example.org")
    with pytest.raises(GuardLimitedError):
        await accounts.invitation_limits.count_new(organization, "one-more@example.org")
    await accounts.invitation_limits.count_new(uuid4(), "one-more@example.org")


async def test_no_invitation_goes_out_while_they_cannot_be_counted(
    house: House, make_accounts: Any, settings: Any
) -> None:
    away = make_accounts(redis=msgspec.structs.replace(settings.redis, url=Secret("redis://127.0.0.1:1/0")))
    with pytest.raises(GuardUnavailableError):
        await away.invitation_limits.count_new(uuid4(), "guest@example.org")
