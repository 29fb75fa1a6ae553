"""What singr-auth keeps in the database: people with their sign-in, organizations, and the credentials of services.

Needs the extra `[accounts]`.
"""

from singr_auth.accounts._accounts import Accounts, AccountSettings
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._credentials import (
    BUILT_IN_KEY_ID,
    CredentialError,
    CredentialRecord,
    ServiceCredentials,
)
from singr_auth.accounts._errors import (
    AccountError,
    CodeRefusedError,
    ConflictError,
    EmailUnverifiedError,
    GuardLimitedError,
    GuardUnavailableError,
    InvalidCredentialsError,
    InvalidValueError,
    NotAllowedError,
    NotFoundError,
    ReauthenticationRequiredError,
    RefreshReusedError,
    SessionEndedError,
    TokenRefusedError,
)
from singr_auth.accounts._events import device_name, record_event
from singr_auth.accounts._notices import (
    CodeByEmail,
    CodeBySms,
    EmailTarget,
    InvitePerson,
    MagicLinkByEmail,
    MagicLinkBySms,
    Notice,
    Notifier,
    PhoneVerifier,
    ResetPassword,
    SecurityNotice,
    VerifyEmail,
    WelcomeUser,
)
from singr_auth.accounts._results import SecondFactorRequired, SignedIn, SignInResult
from singr_auth.accounts._store import CredentialSummary, NewCredential, UnknownOrganizationError, UnknownScopeError

__all__ = [
    "BUILT_IN_KEY_ID",
    "AccountError",
    "AccountSettings",
    "Accounts",
    "ClientInfo",
    "CodeByEmail",
    "CodeBySms",
    "CodeRefusedError",
    "ConflictError",
    "CredentialError",
    "CredentialRecord",
    "CredentialSummary",
    "EmailTarget",
    "EmailUnverifiedError",
    "GuardLimitedError",
    "GuardUnavailableError",
    "InvalidCredentialsError",
    "InvalidValueError",
    "InvitePerson",
    "MagicLinkByEmail",
    "MagicLinkBySms",
    "NewCredential",
    "NotAllowedError",
    "NotFoundError",
    "Notice",
    "Notifier",
    "PhoneVerifier",
    "ReauthenticationRequiredError",
    "RefreshReusedError",
    "ResetPassword",
    "SecondFactorRequired",
    "SecurityNotice",
    "ServiceCredentials",
    "SessionEndedError",
    "SignInResult",
    "SignedIn",
    "TokenRefusedError",
    "UnknownOrganizationError",
    "UnknownScopeError",
    "VerifyEmail",
    "WelcomeUser",
    "device_name",
    "record_event",
]
