"""What singr-auth keeps in the database: the credentials of services. People's accounts and organizations join here.

Needs the extra `[accounts]`.
"""

from singr_auth.accounts._credentials import (
    BUILT_IN_KEY_ID,
    CredentialError,
    CredentialRecord,
    ServiceCredentials,
)
from singr_auth.accounts._store import CredentialSummary, NewCredential, UnknownOrganizationError, UnknownScopeError

__all__ = [
    "BUILT_IN_KEY_ID",
    "CredentialError",
    "CredentialRecord",
    "CredentialSummary",
    "NewCredential",
    "ServiceCredentials",
    "UnknownOrganizationError",
    "UnknownScopeError",
]
