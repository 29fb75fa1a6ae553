"""Sections for the processes themselves, their keys and what they report."""

from typing import Annotated

import msgspec

from singr_config.sections._variable import AppEnvironment, Variable
from singr_config.values._enums import AppEnv, LogLevel
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._keys import signing_key, verifying_key, verifying_keys
from singr_config.values._kinds import (
    boolean,
    choice,
    directory,
    domain,
    fraction,
    host_name,
    integer,
    matching,
    networks,
    origins,
    secret_text,
    secret_words,
    web_url,
)
from singr_config.values._secret import Secret
from singr_config.values._stores import sentry_address

AUTH_SECRET_LENGTH = 32
_HIGHEST_PORT = 65_535
_MAKE_ONE = "make one with: openssl rand -base64 48"


class AppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The processes: where they listen, what they log, and under which addresses people reach the platform."""

    env: Annotated[
        AppEnv,
        Variable(
            "APP_ENV",
            choice(AppEnv),
            "Where this process runs. Determines defaults and strictness; NODE_ENV is read if only that is set.",
            fallback="NODE_ENV",
        ),
    ] = AppEnv.DEVELOPMENT
    host: Annotated[
        str,
        Variable("HOST", host_name(), "Address on which the API listens; 0.0.0.0 in a container."),
    ] = "127.0.0.1"
    port: Annotated[
        int, Variable("PORT", integer(0, _HIGHEST_PORT), "Port on which the API listens; 0 takes a free one.")
    ] = 3000
    processes: Annotated[int, Variable("API_PROCESSES", integer(1, 256), "API processes that share the port.")] = 1
    log_level: Annotated[LogLevel, Variable("LOG_LEVEL", choice(LogLevel), "Least severe level that is logged.")] = (
        LogLevel.INFO
    )
    enable_request_logging: Annotated[
        bool, Variable("ENABLE_REQUEST_LOGGING", boolean(), "Log one line for each request.")
    ] = True
    cors_origins: Annotated[
        tuple[str, ...],
        Variable(
            "CORS_ORIGINS",
            origins(),
            "Web origins whose pages may call the API.",
            development="http://localhost:3000,http://localhost:3001,http://localhost:3002",
            production_note="Without it no page may call the API.",
        ),
    ] = ()
    message_link_origins: Annotated[
        tuple[str, ...],
        Variable(
            "MESSAGE_LINK_ORIGINS",
            origins(),
            "Sites that organizations' messages may link to, besides APP_URL_… and CORS_ORIGINS.",
        ),
    ] = ("https://singrkaraoke.com", "https://singr.app")
    url_web: Annotated[
        str,
        Variable(
            "APP_URL_WEB",
            web_url(),
            "Address of the singers' web app; links in messages begin with it.",
            development="http://localhost:3000",
        ),
    ]
    url_customer: Annotated[
        str,
        Variable(
            "APP_URL_CUSTOMER",
            web_url(),
            "Address of the customers' web app; invitations lead to it.",
            development="http://localhost:3001",
        ),
    ]
    url_api: Annotated[
        str,
        Variable(
            "APP_URL_API",
            web_url(),
            "Address under which callers reach this API.",
            development="http://localhost:3000",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[str, ...],
        Variable(
            "TRUSTED_PROXIES",
            networks(),
            "Proxies whose X-Forwarded-For is believed; empty believes none.",
        ),
    ] = ()
    metrics_host: Annotated[
        str,
        Variable(
            "METRICS_HOST",
            host_name(),
            "Separate address for /metrics; 127.0.0.1 if only METRICS_PORT is set.",
        ),
    ] = ""
    metrics_port: Annotated[
        int | None,
        Variable(
            "METRICS_PORT",
            integer(1, _HIGHEST_PORT),
            "Separate port for /metrics; if empty, metrics are served on the API's port.",
        ),
    ] = None
    prometheus_multiproc_dir: Annotated[
        str,
        Variable(
            "PROMETHEUS_MULTIPROC_DIR",
            directory(),
            "Directory in which several processes collect their metrics; a temporary one if empty.",
        ),
    ] = ""

    @property
    def link_origins(self) -> tuple[str, ...]:
        """Where messages that organizations ask for may lead."""
        return (self.url_web, self.url_customer, self.url_api, *self.cors_origins, *self.message_link_origins)


class JwtSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Access and refresh tokens, signed with ES256."""

    private_key: Annotated[
        Secret,
        Variable(
            "JWT_PRIVATE_KEY",
            signing_key(),
            "ES256 private key in PEM, its newlines real or written as \\n. `singr-dev up` makes and keeps one.",
            development="",
            production_note="Make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.",
        ),
    ]
    public_key: Annotated[
        str,
        Variable(
            "JWT_PUBLIC_KEY",
            verifying_key(),
            "The public key that belongs to JWT_PRIVATE_KEY, in PEM.",
            development="",
            production_note="Derive it from the private key with `openssl pkey -pubout`.",
        ),
    ]
    published_keys: Annotated[
        tuple[str, ...],
        Variable(
            "JWT_PUBLISHED_KEYS",
            verifying_keys(),
            "Further public keys, the next or the previous one, which verify tokens and are published in the JWKS.",
            production_note="Used while the signing key is replaced: see Rotating keys.",
        ),
    ] = ()
    issuer: Annotated[
        str,
        Variable(
            "JWT_ISSUER",
            matching(r"[!-~]{1,200}", "a name or address of at most 200 characters without spaces"),
            "Issuer (iss) of tokens.",
        ),
    ] = "system.singrkaraoke.com"
    audience: Annotated[
        str,
        Variable(
            "JWT_AUDIENCE",
            matching(r"[!-~]{1,200}", "a name or address of at most 200 characters without spaces"),
            "Audience (aud) of tokens.",
        ),
    ] = "system.singrkaraoke.com"
    access_ttl: Annotated[int, Variable("JWT_ACCESS_TTL", integer(1, 900, "seconds"), "Life of an access token.")] = 900
    refresh_ttl: Annotated[
        int, Variable("JWT_REFRESH_TTL", integer(1, 7_776_000, "seconds"), "Life of an unused refresh token.")
    ] = 604_800
    refresh_grace: Annotated[
        int,
        Variable(
            "JWT_REFRESH_GRACE",
            integer(0, 300, "seconds"),
            "Time in which a used refresh token returns the same successor again, for two tabs or a lost response.",
        ),
    ] = 30


class AuthSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Sign-in, and the secret from which the keys of stored data are derived."""

    secret: Annotated[
        Secret,
        Variable(
            "AUTH_SECRET",
            secret_text(AUTH_SECRET_LENGTH, _MAKE_ONE, r"[^\x00-\x1f\x7f,]+", "one line without a comma"),
            "Encrypts recipients and second factors at rest and keys their hashes. At least 32 characters, no comma.",
            development="development-only-secret-that-production-refuses",
            production_note="Make one with `openssl rand -base64 48`.",
        ),
    ]
    previous_secrets: Annotated[
        tuple[Secret, ...],
        Variable(
            "AUTH_SECRET_PREVIOUS",
            secret_words(AUTH_SECRET_LENGTH),
            "Former values of AUTH_SECRET that still open old data; newest first.",
        ),
    ] = ()
    magic_link_ttl: Annotated[
        int, Variable("MAGIC_LINK_TTL", integer(1, 86_400, "seconds"), "Life of a sign-in link.")
    ] = 900
    session_ttl: Annotated[
        int,
        Variable(
            "AUTH_SESSION_TTL",
            integer(1, 31_536_000, "seconds"),
            "Absolute end of a session, however often it is refreshed.",
        ),
    ] = 2_592_000
    device_ttl: Annotated[
        int,
        Variable(
            "AUTH_DEVICE_TTL",
            integer(1, 31_536_000, "seconds"),
            "Time for which a browser skips the second factor, if its owner chose that.",
        ),
    ] = 2_592_000
    webauthn_rp_id: Annotated[
        str,
        Variable(
            "WEBAUTHN_RP_ID",
            domain(),
            "Domain that passkeys belong to; empty: the host of APP_URL_WEB. A change makes existing passkeys useless.",
        ),
    ] = ""
    webauthn_origins: Annotated[
        tuple[str, ...],
        Variable(
            "WEBAUTHN_ORIGINS",
            origins(),
            "Origins whose pages may use passkeys; empty: those of APP_URL_WEB and APP_URL_CUSTOMER on that domain.",
        ),
    ] = ()
    two_factor_issuer: Annotated[
        str,
        Variable(
            "TWO_FACTOR_ISSUER",
            matching(r"[^\x00-\x1f\x7f:]{1,64}", "a name of at most 64 characters without a colon"),
            "Name that authenticator apps and passkey prompts show; BRAND_NAME by default.",
        ),
    ] = "Singr"
    two_factor_window: Annotated[
        int,
        Variable("TWO_FACTOR_WINDOW", integer(0, 5), "Steps of 30 s before and after now whose codes are accepted."),
    ] = 1


class ObservabilitySettings(HoldsSecrets, frozen=True, kw_only=True):
    """Error reports and traces; both are off until an address is given."""

    sentry_dsn: Annotated[
        Secret, Variable("SENTRY_DSN", sentry_address(), "Project to which errors are reported; empty: off.")
    ] = Secret("")
    otlp_endpoint: Annotated[
        str,
        Variable(
            "OTEL_EXPORTER_OTLP_ENDPOINT", web_url(), "Collector that takes traces as OTLP over HTTP; empty: off."
        ),
    ] = ""
    environment: Annotated[AppEnv, AppEnvironment()] = AppEnv.DEVELOPMENT
    traces_sample_rate: Annotated[
        float,
        Variable("TRACES_SAMPLE_RATE", fraction(), "Share of requests and jobs that are traced.", development="1.0"),
    ] = 0.1
