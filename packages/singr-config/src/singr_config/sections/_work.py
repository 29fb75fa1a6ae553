"""Sections for limits, for callers built in by the environment, and for the worker."""

from typing import Annotated

import msgspec

from singr_config.constants import RATE_LIMITS, RateLimit, RateLimits
from singr_config.sections._variable import Variable
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._kinds import (
    category_days,
    countries,
    host_name,
    integer,
    provider_rates,
    queue_places,
    queue_rates,
    rate,
    secret_text,
)
from singr_config.values._secret import Secret

_HIGHEST_PORT = 65_535
_MAKE_ONE = "make one with: openssl rand -base64 48"


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much one user or one caller may ask for."""

    email_per_hour: Annotated[
        int,
        Variable(
            "EMAIL_RATE_LIMIT_MAX",
            integer(1, 1_000_000),
            "E-mails to one user, or mailbox (an address without +tag, at Gmail without dots), in an hour.",
        ),
    ] = 10
    sms_per_hour: Annotated[
        int, Variable("SMS_RATE_LIMIT_MAX", integer(1, 1_000_000), "Text messages to one user, or number, in an hour.")
    ] = 5
    push_per_hour: Annotated[
        int, Variable("PUSH_RATE_LIMIT_MAX", integer(1, 1_000_000), "Pushes to one user, or device, in an hour.")
    ] = 60
    email_per_day: Annotated[
        int, Variable("EMAIL_DAILY_LIMIT_MAX", integer(1, 1_000_000_000), "E-mails of one organization in a day.")
    ] = 10_000
    sms_per_day: Annotated[
        int, Variable("SMS_DAILY_LIMIT_MAX", integer(1, 1_000_000_000), "Text messages of one organization in a day.")
    ] = 1_000
    push_per_day: Annotated[
        int, Variable("PUSH_DAILY_LIMIT_MAX", integer(1, 1_000_000_000), "Pushes of one organization in a day.")
    ] = 100_000
    sms_countries: Annotated[
        tuple[str, ...],
        Variable(
            "SMS_COUNTRIES",
            countries(),
            "Countries that text messages may go to, such as DE,AT,CH; empty: all.",
            production_note="Must be set while text messages are sent.",
        ),
    ] = ()
    sms_per_country: Annotated[
        int,
        Variable(
            "SMS_COUNTRY_LIMIT_MAX",
            integer(1, 1_000_000_000),
            "Text messages to one country in an hour, of all organizations together; codes are counted separately.",
            development="1000000",
        ),
    ] = 2_000
    sms_per_prefix: Annotated[
        int,
        Variable(
            "SMS_PREFIX_LIMIT_MAX",
            integer(1, 1_000_000_000),
            "Text messages in an hour to numbers whose first seven digits are the same, of all organizations together;"
            " codes are counted separately.",
            development="1000000",
        ),
    ] = 100
    exports_per_address: Annotated[
        int,
        Variable(
            "EXPORTS_ADDRESS_LIMIT_MAX",
            integer(1, 1000),
            "Exports of people's data to one mailbox (an address without +tag, at Gmail without dots) in 24 hours, of"
            " all organizations together; one of each.",
        ),
    ] = 3
    exports_per_organization: Annotated[
        int,
        Variable(
            "EXPORTS_DAILY_LIMIT_MAX",
            integer(1, 1_000_000),
            "Exports of people's data that one organization may ask for in 24 hours.",
        ),
    ] = 50
    providers: Annotated[
        tuple[tuple[str, int, int], ...],
        Variable(
            "PROVIDER_RATES",
            provider_rates(),
            "Rate limits of providers, across all worker processes, evenly spaced, as twilio=1/1,mailjet=600/60;"
            " empty: none.",
        ),
    ] = ()
    open_flows: Annotated[
        int,
        Variable(
            "FLOWS_OPEN_MAX",
            integer(1, 1_000_000),
            "Flows of one organization that can be open at once, if created through the HTTP API.",
        ),
    ] = 1_000
    requests_per_minute: Annotated[
        int, Variable("API_RATE_LIMIT_MAX", integer(1, 1_000_000_000), "Requests of one credential in a minute.")
    ] = 600
    sign_in: Annotated[
        RateLimit, Variable("RATE_LIMIT_SIGN_IN", rate(), "Password attempts for one account, as number/seconds.")
    ] = RATE_LIMITS.sign_in
    register: Annotated[RateLimit, Variable("RATE_LIMIT_REGISTER", rate(), "Registrations of one e-mail address.")] = (
        RATE_LIMITS.register
    )
    password_reset: Annotated[
        RateLimit, Variable("RATE_LIMIT_PASSWORD_RESET", rate(), "Links to a new password for one e-mail address.")
    ] = RATE_LIMITS.password_reset
    magic_link: Annotated[
        RateLimit,
        Variable(
            "RATE_LIMIT_MAGIC_LINK",
            rate(),
            "Sign-in links for one e-mail address or phone; likewise invitations, and mails to verify it.",
        ),
    ] = RATE_LIMITS.magic_link
    two_factor_request: Annotated[
        RateLimit, Variable("RATE_LIMIT_TWO_FACTOR_REQUEST", rate(), "Codes sent to one person, or one phone.")
    ] = RATE_LIMITS.two_factor_request
    two_factor_verify: Annotated[
        RateLimit, Variable("RATE_LIMIT_TWO_FACTOR_VERIFY", rate(), "Code attempts of one person.")
    ] = RATE_LIMITS.two_factor_verify
    customer_api: Annotated[
        RateLimit, Variable("RATE_LIMIT_CUSTOMER_API", rate(), "Requests of one person who acts for an organization.")
    ] = RATE_LIMITS.customer_api
    admin_api: Annotated[
        RateLimit, Variable("RATE_LIMIT_ADMIN_API", rate(), "Requests of one person who acts for the platform.")
    ] = RATE_LIMITS.admin_api
    address_factor: Annotated[
        int,
        Variable(
            "RATE_LIMIT_ADDRESS_FACTOR",
            integer(1, 1000),
            "How many times the limit of one account applies to one client address, which a whole venue may share.",
        ),
    ] = 10
    relaxation: Annotated[
        int,
        Variable(
            "RATE_LIMIT_RELAXATION",
            integer(1, 100_000),
            "Multiplies every RATE_LIMIT_… above, so that end-to-end tests can sign in often.",
            production_note="Must be 1.",
        ),
    ] = 1

    @property
    def rates(self) -> RateLimits:
        """The limits in force: as set, times the relaxation; those without a setting are the product's own."""
        own = {name: getattr(self, name) for name in RateLimits.__struct_fields__ if hasattr(self, name)}
        return msgspec.structs.replace(
            RATE_LIMITS, **{name: _times(limit, self.relaxation) for name, limit in own.items()}
        )

    def of_address(self, limit: RateLimit) -> RateLimit:
        """How much of what one account has so much of (one of `rates`), a caller's address has."""
        return _times(limit, self.address_factor)


def _times(limit: RateLimit, factor: int) -> RateLimit:
    return RateLimit(limit.limit * factor, limit.window)


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long jobs and messages are kept, at least: they go by whole weeks, later rather than sooner.

    Jobs are kept from their end on, messages from when they were asked for.
    """

    completed_days: Annotated[
        int, Variable("JOBS_COMPLETED_DAYS", integer(1, 3650, "days"), "How long completed jobs are kept.")
    ] = 1
    failed_days: Annotated[
        int, Variable("JOBS_FAILED_DAYS", integer(1, 3650, "days"), "How long jobs that failed for good are kept.")
    ] = 7
    cancelled_days: Annotated[
        int, Variable("JOBS_CANCELLED_DAYS", integer(1, 3650, "days"), "How long cancelled jobs are kept.")
    ] = 7
    jobs_per_queue: Annotated[
        int,
        Variable(
            "JOBS_KEPT_PER_QUEUE",
            integer(1, 5000),
            "Number of a queue's latest jobs that are kept, however old they are.",
        ),
    ] = 1000
    dead_letter_days: Annotated[
        int,
        Variable(
            "DEAD_LETTERS_DAYS",
            integer(3, 3650, "days"),
            "How long a dead letter stays open for somebody to settle it, and is kept afterwards.",
        ),
    ] = 30
    open_flow_days: Annotated[
        int,
        Variable(
            "FLOWS_OPEN_DAYS",
            integer(1, 3650, "days"),
            "How long a flow stays open with nothing left to run before it is cancelled.",
        ),
    ] = 30
    message_days: Annotated[
        int,
        Variable(
            "MESSAGES_DAYS",
            integer(14, 3650, "days"),
            "How long the record of a message is kept: recipient, sender and outcome.",
        ),
    ] = 90
    message_words_days: Annotated[
        int,
        Variable(
            "MESSAGES_WORDS_DAYS",
            integer(1, 3650, "days"),
            "How long a message's text is kept; not longer than the message.",
        ),
    ] = 30
    message_categories: Annotated[
        tuple[tuple[str, int, int], ...],
        Variable(
            "MESSAGES_BY_CATEGORY",
            category_days(),
            "Message categories with retention times of their own, in days: of the text, and of the message.",
        ),
    ] = (("account", 7, 400), ("marketing", 7, 30))


class IngestionSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Built-in service credentials for any organization; empty means that there is none.

    Credentials kept in the database have narrower rights and can be revoked one by one: prefer them.
    """

    api_key: Annotated[Secret, Variable("X_API_KEY", secret_text(24, _MAKE_ONE), "Built-in API key (x-api-key).")] = (
        Secret("")
    )
    signing_secret: Annotated[
        Secret,
        Variable(
            "SIGNING_SECRET", secret_text(32, _MAKE_ONE), "Secret of the built-in signing key, whose key id is `env`."
        ),
    ] = Secret("")


class ChannelWorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker process sends on one channel: messages in hand at once, and seconds for one message."""

    concurrency: int
    timeout: int


class EmailWorkerSettings(ChannelWorkerSettings, frozen=True, kw_only=True):
    """How a worker process sends e-mail."""

    concurrency: Annotated[int, Variable("EMAIL_WORKER_CONCURRENCY", integer(1, 1000), "E-mails sent at once.")] = 5
    timeout: Annotated[
        int,
        Variable(
            "EMAIL_WORKER_TIMEOUT",
            integer(1, 3600, "seconds"),
            "Time that one e-mail may take; more than 120 changes nothing.",
        ),
    ] = 120


class SmsWorkerSettings(ChannelWorkerSettings, frozen=True, kw_only=True):
    """How a worker process sends text messages."""

    concurrency: Annotated[int, Variable("SMS_WORKER_CONCURRENCY", integer(1, 1000), "Messages sent at once.")] = 3
    timeout: Annotated[
        int, Variable("SMS_WORKER_TIMEOUT", integer(1, 3600, "seconds"), "Time that one text message may take.")
    ] = 30


class PushWorkerSettings(ChannelWorkerSettings, frozen=True, kw_only=True):
    """How a worker process sends push notifications."""

    concurrency: Annotated[int, Variable("PUSH_WORKER_CONCURRENCY", integer(1, 1000), "Pushes sent at once.")] = 5
    timeout: Annotated[
        int, Variable("PUSH_WORKER_TIMEOUT", integer(1, 3600, "seconds"), "Time that one push may take.")
    ] = 30


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The worker: its processes, its address for health and metrics, and its work by channel."""

    email: EmailWorkerSettings = EmailWorkerSettings()
    sms: SmsWorkerSettings = SmsWorkerSettings()
    push: PushWorkerSettings = PushWorkerSettings()
    rates: Annotated[
        tuple[tuple[str, int, int], ...],
        Variable(
            "WORKER_RATES",
            queue_rates(),
            "How fast jobs of a queue may start, across all worker processes, as email=100/60,sms=10/1; empty: no"
            " limit.",
        ),
    ] = ()
    places: Annotated[
        tuple[tuple[str, int, int], ...],
        Variable(
            "WORKER_PLACES",
            queue_places(),
            "Jobs of a queue that a process runs at once, and seconds for one, as billing=4/120; by default those of"
            " its channel, or 10 and the job's own timeout.",
        ),
    ] = ()
    host: Annotated[
        str, Variable("WORKER_HOST", host_name(), "Address on which the worker serves its health and metrics.")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Variable(
            "WORKER_PORT",
            integer(0, _HIGHEST_PORT),
            "Port for the worker's health and metrics; 0 takes a free one.",
        ),
    ] = 3100
    processes: Annotated[int, Variable("WORKER_PROCESSES", integer(1, 256), "Worker processes on this machine.")] = 1
