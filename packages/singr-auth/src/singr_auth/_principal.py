"""Who is calling, and what they may do."""

from typing import Literal
from uuid import UUID

import msgspec

from singr_config import PortableError
from singr_config.constants import ROLE_PERMISSIONS

Method = Literal["api_key", "signature", "access_token"]


class AccessError(PortableError):
    """The caller is known but may not do this; tell them which scope or organization it would take."""


class ScopeError(AccessError):
    """The credential lacks a scope, or the role of a person the permission of that name.

    Attributes:
        scope: the scope that would be needed, e.g. `jobs:write`.
        of_person: it is somebody who is signed in.
    """

    def __init__(self, scope: str, *, of_person: bool = False) -> None:
        whose = "Your role lacks the permission" if of_person else "This credential lacks the scope"
        super().__init__(f"{whose} {scope}.")
        self.scope = scope
        self.of_person = of_person

    @property
    def advice(self) -> str:
        """Whom to ask for it."""
        if not self.of_person:
            return "Ask an operator for a credential that has it."
        if self.scope in ROLE_PERMISSIONS["customer_owner"]:
            return "Ask an owner of the organization for a role that has it."
        return "No role in an organization has it: ask an operator of the platform."


class OrganizationError(AccessError):
    """The credential belongs to another organization than the one the request names."""

    def __init__(self) -> None:
        super().__init__("This credential may not act for that organization.")


class Principal(msgspec.Struct, frozen=True):
    """An authenticated caller: a service, or a person who acts for an organization or for the platform.

    Attributes:
        key_id: public name of the credential, or `user:<uuid>`; safe to log.
        organization_id: the one organization it may act for; `None` for a platform credential, which may act for any.
        scopes: permission names, e.g. `jobs:write`.
        method: how it proved itself.
        user_id: the person; `None` for a service.
    """

    key_id: str
    organization_id: UUID | None
    scopes: frozenset[str]
    method: Method
    user_id: UUID | None = None

    def require(self, scope: str) -> None:
        """Raise `ScopeError` unless the credential carries `scope`."""
        if scope not in self.scopes:
            raise ScopeError(scope, of_person=self.user_id is not None)

    def require_organization(self, organization_id: UUID) -> None:
        """Raise `OrganizationError` unless the credential may act for `organization_id`."""
        if self.organization_id is not None and self.organization_id != organization_id:
            raise OrganizationError
