"""Which error of which package becomes which problem: a line for each, with a kind of its own in `kinds.py`."""

from collections.abc import Callable
from typing import Any, Final

import psycopg
import redis
import sqlalchemy.exc
from litestar.exceptions import HTTPException

import singr_auth
import singr_jobs
from singr_api.http import problems
from singr_api.http.codes import FieldCode
from singr_api.http.problems import (
    AGAIN,
    CHALLENGE,
    FieldError,
    Kind,
    Problem,
    header_error,
    invalid,
    refused,
    store_of,
    unauthenticated,
)
from singr_auth import accounts
from singr_comms import inbound, notifications, notifying, people
from singr_comms.people import inbox as people_inbox
from singr_db import ObjectStoreError, is_outage, lock_held, schema_lacks, still_referred
from singr_db.operation_log import ReasonError
from singr_db.pages import InvalidCursor
from singr_db.standing_work import StandingWorkUnknownError
from singr_jobs import queues, schedules

Translate = Callable[[Any], Problem | None]
_PROVE: Final = {"www-authenticate": CHALLENGE}
_LATER: Final = {"retry-after": "1"}
_UPGRADED: Final = {"retry-after": "10"}


def problem_of(error: BaseException) -> Problem | None:
    """Return what an error of any package means to the caller; None: it is a fault of ours (500)."""
    if isinstance(error, Problem):
        return error
    for kind in type(error).__mro__:
        translate = _TRANSLATIONS.get(kind)
        if translate is not None:
            return translate(error)
    return None


def _says(kind: Kind, headers: dict[str, str] | None = None) -> Translate:
    """The error's own words are fit for the caller."""
    return lambda error: Problem(kind, _sentence(str(error)), headers=headers)


def _sentence(words: str) -> str:
    """Errors of Python begin small and end without a full stop; a detail is read beside other sentences."""
    begun = words[:1].upper() + words[1:]
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def _means(kind: Kind, error: FieldError, headers: dict[str, str] | None = None) -> Translate:
    """The error is of one matter always, and says nothing of its own."""
    return lambda _: refused(kind, error, headers=headers)


def _field(location: problems.Location, name: str = "") -> Translate:
    """A field is not valid: the one that the error names, unless told."""
    return lambda error: invalid(FieldError(name or error.field, error.message, location, error.code))


def _faults(error: Any) -> Problem:
    """Fields of the body are not valid."""
    return invalid(*(FieldError(one.field, one.message, "body", one.code) for one in error.faults))


def _limited(error: accounts.GuardLimitedError) -> Problem:
    wait = max(1, error.retry_after)
    policy = {} if error.limit is None else {"ratelimit-policy": f'"guard";q={error.limit}'}
    headers = {"retry-after": str(wait), "ratelimit": f'"guard";r=0;t={wait}', **policy}
    return Problem(problems.RATE_LIMITED, str(error), headers=headers)


def _conflict(error: accounts.ConflictError) -> Problem:
    fields = (FieldError(error.field, str(error), "body", "taken"),) if error.field else ()
    return Problem(problems.CONFLICT, str(error), errors=fields)


def _signature(error: singr_auth.SignatureError) -> Problem:
    return refused(problems.SIGNATURE_REFUSED, header_error(error.header, error.message, error.code), headers=_PROVE)


def _in_use(error: singr_jobs.NameInUseError) -> Problem:
    return refused(problems.NAME_IN_USE, FieldError(error.field, str(error), "body", "taken"), headers=_LATER)


def _credential(error: accounts.CredentialError) -> Problem:
    return unauthenticated(error.message, header_error("x-api-key", error.message, error.code))


def _scope(error: singr_auth.ScopeError) -> Problem:
    return Problem(problems.SCOPE_MISSING, f"{error} {error.advice}")


def _intake(error: singr_jobs.IntakeError) -> Problem:
    field = f"payload.{error.field}" if error.field else "payload"
    return invalid(FieldError(field, error.message, "body", error.code))


def _reserved(error: singr_jobs.ReservedError) -> Problem:
    detail = (
        "This message speaks for the platform, or links to another site, so an organization cannot send it. See errors."
    )
    field = FieldError(f"payload.{error.field}", error.message, "body", "forbidden")
    return refused(problems.NOT_ALLOWED, field, detail)


def _nobody(error: people.RecipientNotFoundError) -> Problem:
    location: problems.Location = "path" if error.field == "external_id" else "query"
    return refused(problems.NOT_FOUND, FieldError(error.field, f"{error}.", location, "not_found"))


def _branding(error: notifications.BrandingError) -> Problem:
    place = {"type", "channel", "locale"}
    return invalid(
        *(FieldError(name, words, "path" if name in place else "body", "invalid") for name, words in error.faults)
    )


def _waits(error: people.ExportStandsError | people.AddressChangedError | notifications.LogoLimitError) -> Problem:
    return Problem(problems.RATE_LIMITED, str(error), headers={"retry-after": str(error.retry_after)})


def _forged(error: inbound.ForgedError) -> Problem:
    return Problem(problems.CALLBACK_REFUSED, f"Refused: {error.message}.", headers=_PROVE)


_SCHEDULES: Final[dict[str, tuple[Kind, FieldCode]]] = {
    "cron-invalid": (problems.CRON_INVALID, "malformed"),
    "zone-unknown": (problems.ZONE_UNKNOWN, "unknown_value"),
    "never-fires": (problems.NEVER_FIRES, "out_of_range"),
    "too-many": (problems.CONFLICT, "invalid"),
    "invalid": (problems.INVALID, "invalid"),
}


def _schedule(error: schedules.ScheduleError) -> Problem:
    kind, code = _SCHEDULES[error.code]
    return refused(kind, FieldError(error.field, error.message, "body", code), f"{error}.")


def _ended(error: singr_jobs.JobEndedError) -> Problem:
    return Problem(problems.JOB_ENDED, f"The job is {error.status} already: it can no longer be moved or cancelled.")


def _bulk(error: singr_jobs.BulkActionError) -> Problem:
    wide = error.code == "filter-too-wide"
    code: FieldCode = "required" if wide or error.field == "reason" else "invalid"
    kind = problems.FILTER_TOO_WIDE if wide else problems.INVALID
    return refused(kind, FieldError(error.field, error.message, "body", code), f"{error}.")


def _held(error: singr_jobs.UniqueKeyHeldError) -> Problem:
    said = f"Its unique key is held by the job {error.job_id}."
    return refused(problems.UNIQUE_KEY_HELD, FieldError("unique_key", said, "path", "taken"))


def _gone(error: singr_jobs.JobGoneError) -> Problem:
    said = f"This key made the job {error.job_id} at {error.accepted_at:%Y-%m-%dT%H:%M:%SZ}, which no longer exists."
    return refused(problems.JOB_GONE, header_error("idempotency-key", said, "expired"))


def _away(error: BaseException) -> Problem:
    store, headers = store_of(error) or "a store that this needs", _LATER
    what = f"{store[0].upper()}{store[1:]} is not responding"
    if lock_held(error):
        what = "Somebody else is changing what this needs"
    elif schema_lacks(error):
        what, headers = "The database has not been upgraded to this version yet", _UPGRADED
    return Problem(problems.UNAVAILABLE, f"{what}. Nothing is lost: {AGAIN}", headers=headers)


def _database(error: Exception) -> Problem | None:
    if is_outage(error):
        return _away(error)
    return None if (said := still_referred(error)) is None else Problem(problems.CONFLICT, said)


# What the framework itself refuses is the plainest of its status: no problem of accounts is ever meant.
_FRAMEWORK: Final = {
    400: (problems.MALFORMED_REQUEST, "The request cannot be read. Check its path, query and headers."),
    404: (problems.NOT_FOUND, "No route has this address. The routes are listed at /schema."),
    405: (problems.METHOD_NOT_ALLOWED, "The Allow header lists the methods that this address accepts."),
    406: (problems.NOT_ACCEPTABLE, f"{problems.NOT_ACCEPTABLE.title}."),
    413: (problems.BODY_TOO_LARGE, "Send less at once."),
    415: (problems.UNSUPPORTED_MEDIA_TYPE, "Send application/json."),
    429: (problems.RATE_LIMITED, f"{problems.RATE_LIMITED.title}."),
}


def _framework(error: HTTPException) -> Problem | None:
    # The framework's own words are not passed on: they may repeat what the caller sent, a token in the query included.
    found = _FRAMEWORK.get(error.status_code)
    return None if found is None else Problem(*found)


_TRANSLATIONS: Final[dict[type[BaseException], Translate]] = {
    # people, and what they prove
    accounts.CodeRefusedError: _says(problems.CODE_REFUSED),
    accounts.ConflictError: _conflict,
    accounts.EmailUnverifiedError: _says(problems.EMAIL_UNVERIFIED),
    accounts.GuardLimitedError: _limited,
    accounts.GuardUnavailableError: _says(problems.GUARD_UNAVAILABLE, _LATER),
    accounts.InvalidCredentialsError: _says(problems.SIGN_IN_REFUSED, _PROVE),
    accounts.InvalidValueError: _field("body"),
    accounts.NotAllowedError: _says(problems.NOT_ALLOWED),
    accounts.NotFoundError: _says(problems.NOT_FOUND),
    accounts.PasskeyRefusedError: _says(problems.PASSKEY_REFUSED),
    accounts.ReauthenticationRequiredError: _says(problems.REAUTHENTICATION_REQUIRED),
    accounts.RefreshReusedError: _says(problems.REFRESH_TOKEN_REUSED, _PROVE),
    accounts.SessionEndedError: _says(problems.SESSION_ENDED, _PROVE),
    accounts.TemporarilyUnavailableError: _says(problems.UNAVAILABLE, _LATER),
    accounts.TokenRefusedError: _says(problems.ONE_TIME_TOKEN_REFUSED),
    singr_auth.PasswordQueueFullError: _says(problems.UNAVAILABLE, _LATER),
    singr_auth.WeakPasswordError: _field("body", "password"),
    # services, and what they may
    accounts.CredentialError: _credential,
    singr_auth.OrganizationError: _means(
        problems.ORGANIZATION_FORBIDDEN,
        FieldError(
            "organization_id",
            "The credential belongs to another organization; name its own, or leave the field out.",
            "body",
            "forbidden",
        ),
    ),
    singr_auth.ScopeError: _scope,
    singr_auth.SignatureError: _signature,
    # providers that call back
    inbound.ForgedError: _forged,
    inbound.UnknownProviderError: _means(
        problems.NOT_FOUND,
        FieldError("webhook", "No provider calls back at this address.", "path", "not_found"),
    ),
    # jobs
    singr_jobs.BulkActionEndedError: lambda error: Problem(
        problems.BULK_ACTION_ENDED, f"The bulk action is {error.state} already."
    ),
    singr_jobs.BulkActionError: _bulk,
    singr_jobs.BulkActionNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError("action_id", "There is no such bulk action in this organization.", "path", "not_found"),
    ),
    notifications.DeliveryNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError(
            "delivery_id",
            "There is no such message in this organization, or it has been deleted.",
            "path",
            "not_found",
        ),
    ),
    notifications.DeliverySettledError: lambda error: Problem(
        problems.DELIVERY_SETTLED, f"The message is {error.status} already."
    ),
    notifications.BrandingError: _branding,
    notifications.LogoLimitError: _waits,
    notifications.BrandingNotFoundError: lambda error: Problem(problems.NOT_FOUND, f"{error}."),
    people.DeviceNotFoundError: _means(
        problems.NOT_FOUND, FieldError("device_id", "This person has no such device.", "path", "not_found")
    ),
    people.AddressChangedError: _waits,
    people.ExportStandsError: _waits,
    people.NoAddressError: lambda error: refused(
        problems.CONFLICT, FieldError("external_id", str(error), "path", "invalid"), str(error)
    ),
    people.PeopleError: _faults,
    people.PreferenceError: _faults,
    people.RecipientNotFoundError: _nobody,
    people.TopicInUseError: _says(problems.CONFLICT),
    people.TopicNotFoundError: _means(
        problems.NOT_FOUND, FieldError("key", "There is no such topic in this organization.", "path", "not_found")
    ),
    notifying.InvalidNotificationError: _faults,
    notifying.NotificationNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError("notification_id", "There is no such notification in this organization.", "path", "not_found"),
    ),
    notifying.NotificationStateError: _says(problems.CONFLICT),
    notifications.ProviderUnknownError: _means(
        problems.NOT_FOUND,
        FieldError("provider", "No worker calls a provider of this name for this channel.", "path", "not_found"),
    ),
    notifications.QuestionError: _faults,
    notifications.SuppressionNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError(
            "suppression_id",
            "This organization has no such active suppression; platform-wide ones are lifted by the platform.",
            "path",
            "not_found",
        ),
    ),
    notifications.LinkOverError: _means(
        problems.NOT_FOUND,
        FieldError("token", "This link has expired: open your preferences again.", "path", "expired"),
    ),
    notifications.UnsubscribeLinkError: _means(
        problems.NOT_FOUND,
        FieldError("token", "This link is not from one of our mails, or it is incomplete.", "path", "not_found"),
    ),
    notifications.WebhookNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError("webhook", "There is no such callback; they are kept for thirty days.", "path", "not_found"),
    ),
    notifications.WordsGoneError: lambda error: Problem(problems.WORDS_GONE, str(error)),
    people_inbox.InboxNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError("organization_id", "This organization keeps no inbox for you.", "query", "not_found"),
    ),
    singr_jobs.DeadLetterNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError("letter_id", "There is no such dead letter in this organization.", "path", "not_found"),
    ),
    singr_jobs.DeadLetterSettledError: lambda error: Problem(
        problems.DEAD_LETTER_SETTLED, f"The dead letter is {error.state} already."
    ),
    singr_jobs.IdempotencyInProgressError: _means(
        problems.IN_PROGRESS,
        header_error(
            "idempotency-key",
            "The first request with this key is still running: try again in a second, with the same key.",
            "in_progress",
        ),
        _LATER,
    ),
    singr_jobs.IdempotencyMismatchError: _means(
        problems.KEY_REUSED,
        header_error(
            "idempotency-key",
            "This key was used for another method, path or body: take a new key for a new request.",
            "key_reused",
        ),
    ),
    singr_jobs.IntakeError: _intake,
    singr_jobs.JobEndedError: _ended,
    singr_jobs.JobExistsError: _means(
        problems.JOB_EXISTS, FieldError("id", "This id is taken: make a new one, or leave it out.", "body", "taken")
    ),
    singr_jobs.JobGoneError: _gone,
    singr_jobs.JobRunningError: _says(problems.JOB_RUNNING),
    singr_jobs.JobNotFoundError: _means(
        problems.NOT_FOUND, FieldError("job_id", "There is no such job in this organization.", "path", "not_found")
    ),
    singr_jobs.LimitsUnknownError: _says(problems.LIMITS_UNKNOWN),
    singr_jobs.NameInUseError: _in_use,
    singr_jobs.NonceReplayedError: _means(
        problems.REQUEST_REPLAYED,
        header_error(
            "x-singr-nonce", "This nonce was used before: sign each request anew, with a new nonce.", "replayed"
        ),
        _PROVE,
    ),
    singr_jobs.FlowClosedError: _says(problems.FLOW_CLOSED),
    singr_jobs.TooManyFlowsError: _says(problems.TOO_MANY_FLOWS),
    singr_jobs.FlowEndedError: _says(problems.FLOW_CLOSED),
    singr_jobs.FlowNotFoundError: _means(
        problems.NOT_FOUND, FieldError("flow_id", "There is no such flow in this organization.", "path", "not_found")
    ),
    singr_jobs.UnknownMemberError: lambda error: refused(
        problems.UNKNOWN_MEMBER, FieldError("jobs", str(error), "body", "not_found")
    ),
    singr_jobs.ReservedError: _reserved,
    singr_jobs.UniqueKeyHeldError: _held,
    queues.QueueSettingError: _field("body"),
    ReasonError: _field("body"),
    queues.QueueUnknownError: _says(problems.QUEUE_UNKNOWN),
    StandingWorkUnknownError: _means(
        problems.NOT_FOUND, FieldError("name", "There is no standing task with this name.", "path", "not_found")
    ),
    schedules.ScheduleEndedError: _says(problems.SCHEDULE_ENDED),
    schedules.ScheduleError: _schedule,
    schedules.ScheduleNotFoundError: _means(
        problems.NOT_FOUND,
        FieldError("schedule_id", "There is no such schedule in this organization.", "path", "not_found"),
    ),
    # stores, and the framework
    InvalidCursor: lambda _: invalid(
        FieldError("cursor", "must be the next_cursor of the previous page, unchanged", "query", "malformed")
    ),
    ObjectStoreError: _away,
    redis.RedisError: _away,
    ConnectionError: _away,
    TimeoutError: _away,
    psycopg.Error: _database,
    sqlalchemy.exc.SQLAlchemyError: _database,
    HTTPException: _framework,
}
