"""What callers send and get for invitations."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import VISIBLE_LINE, EmailAddress, FirstPassword
from singr_api.http.pages import PageOf
from singr_api.organizations.shared import MyOrganization, RoleName
from singr_auth.accounts.organizations import InvitationView, OwnInvitation

Token = Annotated[
    str, Meta(min_length=1, max_length=200, description="From the invitation's link.", examples=["sin_" + "0" * 49])
]


class CreateInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person to invite, and the role."""

    email: EmailAddress
    role: RoleName


class InvitationToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of an invitation's link."""

    token: Token


class RegisterByInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new account for the invited address."""

    token: Token
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=VISIBLE_LINE, examples=["Jane Doe"])]
    password: FirstPassword


class NewMember(msgspec.Struct, frozen=True):
    """A new account and its organization; sign in with the password."""

    user_id: UUID
    organization: MyOrganization


class InvitationPage(PageOf[InvitationView], frozen=True):
    """Some invitations, newest first."""


class OwnInvitationPage(PageOf[OwnInvitation], frozen=True):
    """Some open invitations to the caller, newest first."""
