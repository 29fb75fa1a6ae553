"""Numbers and names of the product that no environment changes."""

from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


class RateLimit(msgspec.Struct, frozen=True):
    """At most `limit` requests in `window` seconds."""

    limit: int
    window: int


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often each kind of request is allowed."""

    sign_in: RateLimit = RateLimit(5, _MINUTE)
    register: RateLimit = RateLimit(3, _HOUR)
    password_reset: RateLimit = RateLimit(5, _HOUR)
    magic_link: RateLimit = RateLimit(5, _HOUR)
    two_factor_request: RateLimit = RateLimit(5, _HOUR)
    two_factor_verify: RateLimit = RateLimit(10, 15 * _MINUTE)
    public_venues: RateLimit = RateLimit(60, _MINUTE)
    song_search: RateLimit = RateLimit(60, _MINUTE)
    public_requests: RateLimit = RateLimit(10, _HOUR)
    singer_request: RateLimit = RateLimit(10, _HOUR)
    quick_request: RateLimit = RateLimit(10, _HOUR)
    customer_api: RateLimit = RateLimit(100, _MINUTE)
    song_import: RateLimit = RateLimit(10, _HOUR)
    admin_api: RateLimit = RateLimit(200, _MINUTE)


class CacheSeconds(msgspec.Struct, frozen=True, kw_only=True):
    """How long an answer may be kept, in seconds."""

    venue_list: int = 300
    venue: int = 600
    song_search: int = 300
    permissions: int = 1800
    public_branding: int = 3600
    two_factor_code: int = 300


class Pagination(msgspec.Struct, frozen=True, kw_only=True):
    """Items on a page of a list."""

    default: int = 20
    least: int = 1
    most: int = 100
    most_users: int = 50


class Argon2Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of a password's Argon2id hash (OWASP password storage)."""

    memory_kib: int = 19_456
    time_cost: int = 2
    parallelism: int = 1
    hash_bytes: int = 32


class TokenLifetimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for which a token opens something; backup codes live until they are used."""

    invitation: int = 7 * _DAY
    email_verification: int = _DAY
    email_undo: int = 7 * _DAY
    password_reset: int = _HOUR
    password_reset_sms: int = 15 * _MINUTE
    magic_link: int = 15 * _MINUTE


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    """TOTP (RFC 6238), codes by SMS and e-mail, and backup codes."""

    totp_step: int = 30
    totp_window: int = 1
    code_digits: int = 6
    code_seconds: int = 300
    backup_codes: int = 10
    backup_code_length: int = 8


class CommunicationRetry(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts for a message; `first_delay` seconds, times `factor` after each."""

    attempts: int = 3
    first_delay: float = 1.0
    factor: float = 2.0


RATE_LIMITS: Final = RateLimits()
CACHE_SECONDS: Final = CacheSeconds()
PAGINATION: Final = Pagination()
ARGON2: Final = Argon2Parameters()
API_KEY_PREFIX: Final = "sk_live_"
TOKEN_LIFETIMES: Final = TokenLifetimes()
SECOND_FACTOR: Final = SecondFactor()
COMMUNICATION_RETRY: Final = CommunicationRetry()

ROLES: Final = MappingProxyType(
    {
        "admin": "Runs the platform",
        "support_admin": "Helps customers and singers",
        "customer_owner": "Owns an organization",
        "customer_manager": "Runs an organization's venues",
        "customer_staff": "Works at an organization's venues",
        "singer": "Asks for songs",
    }
)
"""System roles by name, with what their holder does."""

_PLATFORM_SLUGS: Final = (
    "singr admin administrator root system platform internal staff official security support help status billing"
    " account accounts settings dashboard console portal customer customers singer singers owner moderator"
    " postmaster hostmaster webmaster abuse noc info sales marketing"  # RFC 2142
)
_ADDRESS_SLUGS: Final = (
    "www web app apps api apis auth oauth sso login logout signin signup sign-in sign-up sign-out register"
    " verify-email reset-password invitation invitations invite links me users user organizations organization"
    " roles jobs schedules webhooks static assets cdn media files public private docs schema problems health ready"
    " metrics well-known v1 v2 ws mail email smtp imap ftp ns1 ns2 dns mx localhost dev test staging production demo"
    " beta"
)
_WORDS_OF_PROGRAMS: Final = (
    "null nil none undefined nan true false new edit delete all any default index constructor prototype proto"
)
RESERVED_SLUGS: Final = frozenset(f"{_PLATFORM_SLUGS} {_ADDRESS_SLUGS} {_WORDS_OF_PROGRAMS}".split())
"""Slugs that no organization is given: whoever reads one would take it for the platform, a host, a path or nothing."""

PERMISSIONS: Final = MappingProxyType(
    {
        "venues:read": "See venues",
        "venues:write": "Add and change venues",
        "venues:delete": "Remove venues",
        "systems:read": "See karaoke systems",
        "systems:write": "Add and change karaoke systems",
        "api_keys:read": "See API keys",
        "api_keys:write": "Create and rotate API keys",
        "api_keys:revoke": "Revoke API keys",
        "api_keys:introspect": "Introspect an API key that somebody presented",
        "songdb:read": "See the song database",
        "songdb:write": "Change and import songs",
        "requests:read": "See song requests",
        "requests:process": "Accept, refuse and finish song requests",
        "organization:read": "See the organization and its members",
        "organization:write": "Change the organization and its members",
        "billing:read": "See invoices and plans",
        "billing:write": "Change plans and means of payment",
        "branding:read": "See branding",
        "branding:write": "Change branding",
        "jobs:read": "See jobs and their attempts",
        "jobs:write": "Create and cancel jobs",
        "schedules:read": "See schedules and when they fired",
        "schedules:write": "Schedule jobs, and pause, run and delete schedules",
        "notifications:read": "See messages and their delivery",
        "notifications:write": "Send messages",
        "operations:read": "See queues, dead letters and metrics",
        "operations:write": "Pause queues, requeue and discard dead letters",
        "users:read": "See the platform's users and their security events",
        "users:write": "Disable and enable users and end their sessions",
    }
)
"""Permissions by name, with what they allow; a service credential's scopes have the same names."""

_EVERY: Final = frozenset(PERMISSIONS)
_READS: Final = frozenset(name for name in PERMISSIONS if name.endswith(":read"))
_PLATFORM: Final = frozenset({"operations:read", "operations:write", "users:read", "users:write"})

ROLE_PERMISSIONS: Final = MappingProxyType(
    {
        "admin": _EVERY,
        "support_admin": _READS | {"requests:process"},
        "customer_owner": _EVERY - _PLATFORM,
        "customer_manager": frozenset(
            {
                "venues:read",
                "venues:write",
                "systems:read",
                "systems:write",
                "api_keys:read",
                "songdb:read",
                "songdb:write",
                "requests:read",
                "requests:process",
                "organization:read",
                "billing:read",
                "branding:read",
                "branding:write",
                "jobs:read",
                "schedules:read",
                "notifications:read",
            }
        ),
        "customer_staff": frozenset(
            {"venues:read", "systems:read", "songdb:read", "requests:read", "requests:process", "branding:read"}
        ),
        "singer": frozenset(),
    }
)
"""Permissions of each system role. A singer's rights to their own requests need no permission."""

SecurityEvent: TypeAlias = Literal[
    "registration_attempted",
    "new_device",
    "device_trusted",
    "password_changed",
    "password_dropped",
    "email_change_requested",
    "email_changed",
    "email_change_undone",
    "phone_changed",
    "second_factor_added",
    "second_factor_removed",
    "backup_codes_replaced",
    "backup_code_used",
    "passkey_added",
    "passkey_removed",
    "refresh_token_reused",
    "account_locked",
    "account_disabled",
    "account_enabled",
    "sessions_ended",
    "account_deleted",
    "api_key_created",
    "api_key_rotated",
    "api_key_revoked",
    "credentials_revoked",
    "credentials_narrowed",
    "ownership_transferred",
]
"""What owners of accounts and organizations are told of, whoever did it: accounts tell of it, a security notice has its
words. The one list of them."""
