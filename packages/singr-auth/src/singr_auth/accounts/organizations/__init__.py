"""Organizations: their people, roles and invitations, and what each person may do there.

Everything here works in a session that the caller gives and commits, except `InvitedRegistration`, which hashes a
password between two transactions of its own, and `InvitationLimits`, which is asked before one is opened.
"""

from singr_auth.accounts.credentials._revocation import LostCredential, LostInvitation, Revoked
from singr_auth.accounts.credentials._rows import Kind as CredentialKind
from singr_auth.accounts.organizations._actor import ORGANIZATION_PERMISSIONS, Actor
from singr_auth.accounts.organizations._audit import OrganizationEvent, organization_events
from singr_auth.accounts.organizations._consequences import Consequences
from singr_auth.accounts.organizations._credentials import (
    DEFAULT_OVERLAP_SECONDS,
    LONGEST_OVERLAP_SECONDS,
    Holder,
    OrganizationCredentials,
    held_by,
)
from singr_auth.accounts.organizations._invitations import InvitationPreview, Invitations, InvitationView
from singr_auth.accounts.organizations._joining import InvitedRegistration, Joined
from singr_auth.accounts.organizations._limits import INVITATIONS_A_DAY, InvitationLimits
from singr_auth.accounts.organizations._members import MemberChange, Members, MemberView
from singr_auth.accounts.organizations._organizations import Membership, Organizations, OrganizationView
from singr_auth.accounts.organizations._own_invitations import OwnInvitation, OwnInvitations
from singr_auth.accounts.organizations._permissions import Permissions
from singr_auth.accounts.organizations._roles import RoleChange, Roles, RoleView

__all__ = [
    "DEFAULT_OVERLAP_SECONDS",
    "INVITATIONS_A_DAY",
    "LONGEST_OVERLAP_SECONDS",
    "ORGANIZATION_PERMISSIONS",
    "Actor",
    "Consequences",
    "CredentialKind",
    "Holder",
    "InvitationLimits",
    "InvitationPreview",
    "InvitationView",
    "Invitations",
    "InvitedRegistration",
    "Joined",
    "LostCredential",
    "LostInvitation",
    "MemberChange",
    "MemberView",
    "Members",
    "Membership",
    "OrganizationCredentials",
    "OrganizationEvent",
    "OrganizationView",
    "Organizations",
    "OwnInvitation",
    "OwnInvitations",
    "Permissions",
    "Revoked",
    "RoleChange",
    "RoleView",
    "Roles",
    "held_by",
    "organization_events",
]
