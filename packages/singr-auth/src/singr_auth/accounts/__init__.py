"""What singr-auth keeps in the database: people with their sign-in, organizations, and the credentials of services.

Needs the extra `[accounts]`.
"""

from singr_config.extras import require_extra

require_extra(
    "singr-auth", "accounts", "singr_db", "redis", "singr_observability", "cryptography", "psycopg", "sqlalchemy"
)

from singr_auth.accounts._accounts import Accounts, AccountSettings
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._collect import collect_accounts
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
    PasskeyRefusedError,
    ReauthenticationRequiredError,
    RefreshReusedError,
    SessionEndedError,
    TemporarilyUnavailableError,
    TokenRefusedError,
)
from singr_auth.accounts._results import SecondFactorRequired, SignedIn, SignInResult
from singr_auth.accounts.audit._events import device_name, record_event
from singr_auth.accounts.audit._trail import SecurityEventView
from singr_auth.accounts.credentials._credentials import (
    BUILT_IN_KEY_ID,
    CredentialError,
    CredentialRecord,
    KeyIntrospection,
    ServiceCredentials,
)
from singr_auth.accounts.credentials._rows import (
    CredentialSummary,
    NewCredential,
    UnknownOrganizationError,
    UnknownScopeError,
)
from singr_auth.accounts.factors._second_factors import FactorList, FactorMethod, FactorView, SentMethod, TotpEnrolment
from singr_auth.accounts.notices._following import Follower
from singr_auth.accounts.notices._notices import (
    CodeByEmail,
    CodeBySms,
    ConfirmNewEmail,
    EmailMoved,
    EmailTarget,
    InvitePerson,
    MagicLinkByEmail,
    MagicLinkBySms,
    Notice,
    Notifier,
    PhoneVerifier,
    ResetPassword,
    ResetPasswordBySms,
    SecurityNotice,
    VerifyEmail,
    WelcomeUser,
)
from singr_auth.accounts.passkeys._forms import NewPasskey, PasskeyAssertion
from singr_auth.accounts.passkeys._rows import Passkey
from singr_auth.accounts.people._administration import Administration, UserSummary
from singr_auth.accounts.people._own_data import OwnAccount, OwnData
from singr_auth.accounts.people._profiles import OrganizationOfUser, Profile
from singr_auth.accounts.people._registration import NewAccount
from singr_auth.accounts.people._users import EMAIL_PATTERN, NAME_PATTERN, User
from singr_auth.accounts.proofs._challenges import CHALLENGE_SECONDS, MOST_ATTEMPTS
from singr_auth.accounts.proofs._presence import RECENT_SECONDS
from singr_auth.accounts.sessions._access_feed import AccessFeed, note_change
from singr_auth.accounts.sessions._devices import KNOWN_DEVICE_SECONDS, DeviceView
from singr_auth.accounts.sessions._sessions import SessionView
from singr_auth.accounts.sign_in._completion import METHODS

__all__ = [
    "BUILT_IN_KEY_ID",
    "CHALLENGE_SECONDS",
    "EMAIL_PATTERN",
    "KNOWN_DEVICE_SECONDS",
    "METHODS",
    "MOST_ATTEMPTS",
    "NAME_PATTERN",
    "RECENT_SECONDS",
    "AccessFeed",
    "AccountError",
    "AccountSettings",
    "Accounts",
    "Administration",
    "ClientInfo",
    "CodeByEmail",
    "CodeBySms",
    "CodeRefusedError",
    "ConfirmNewEmail",
    "ConflictError",
    "CredentialError",
    "CredentialRecord",
    "CredentialSummary",
    "DeviceView",
    "EmailMoved",
    "EmailTarget",
    "EmailUnverifiedError",
    "FactorList",
    "FactorMethod",
    "FactorView",
    "Follower",
    "GuardLimitedError",
    "GuardUnavailableError",
    "InvalidCredentialsError",
    "InvalidValueError",
    "InvitePerson",
    "KeyIntrospection",
    "MagicLinkByEmail",
    "MagicLinkBySms",
    "NewAccount",
    "NewCredential",
    "NewPasskey",
    "NotAllowedError",
    "NotFoundError",
    "Notice",
    "Notifier",
    "OrganizationOfUser",
    "OwnAccount",
    "OwnData",
    "Passkey",
    "PasskeyAssertion",
    "PasskeyRefusedError",
    "PhoneVerifier",
    "Profile",
    "ReauthenticationRequiredError",
    "RefreshReusedError",
    "ResetPassword",
    "ResetPasswordBySms",
    "SecondFactorRequired",
    "SecurityEventView",
    "SecurityNotice",
    "SentMethod",
    "ServiceCredentials",
    "SessionEndedError",
    "SessionView",
    "SignInResult",
    "SignedIn",
    "TemporarilyUnavailableError",
    "TokenRefusedError",
    "TotpEnrolment",
    "UnknownOrganizationError",
    "UnknownScopeError",
    "User",
    "UserSummary",
    "VerifyEmail",
    "WelcomeUser",
    "collect_accounts",
    "device_name",
    "note_change",
    "record_event",
]
