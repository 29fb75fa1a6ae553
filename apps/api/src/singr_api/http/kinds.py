"""Every kind of problem that a caller can meet: one table, from which answers, documentation and pages are made."""

from typing import Final

import msgspec

BASE: Final = "https://singrkaraoke.com/problems/"


class Kind(msgspec.Struct, frozen=True):
    """A kind of problem: its `type` is `BASE` + slug, and stays for ever.

    Attributes:
        title: what it is, in a line.
        meaning: what happened, in words fit to be shown to people.
        remedy: what to do about it, likewise.
    """

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str


MALFORMED_BODY: Final = Kind(
    "malformed-body", 400, "The body is not well-formed",
    "The body could not be read as JSON in UTF-8. It may be cut off, empty, or written in another format.",
    "Check the body with a JSON tool; `errors` says at which byte reading stopped. Send it with `content-type:"
    " application/json`.",
)  # fmt: skip
MALFORMED_REQUEST: Final = Kind(
    "malformed-request", 400, "The request is not well-formed",
    "A part of the request beside the body cannot be read: the path, the query string or a header.",
    "Percent-encode the query string as UTF-8, and send each header once. An HTTP library does both by itself.",
)  # fmt: skip
KEY_MISSING: Final = Kind(
    "idempotency-key-missing", 400, "The request needs an idempotency key",
    "This request changes something, and needs an `Idempotency-Key` so that sending it twice does not do it twice.",
    "Make a new key for each thing you want done, such as a random UUID, and send the same key each time you retry it.",
)  # fmt: skip
CREDENTIALS_AMBIGUOUS: Final = Kind(
    "credentials-ambiguous", 400, "The request carries more than one credential",
    "Several credentials were sent, such as an API key and an access token. They may belong to different callers.",
    "Send one of them. In a browser, signing out removes the cookies that are sent automatically.",
)  # fmt: skip
ONE_TIME_TOKEN_REFUSED: Final = Kind(
    "one-time-token-refused", 400, "The link or token is no longer valid",
    "Links and tokens in messages work once, and for a limited time. This one was used, has expired, or was replaced"
    " by a newer one.",
    "Ask for a new one, and use the newest message. If you opened the link twice, what it was for may already be done.",
)  # fmt: skip
CODE_REFUSED: Final = Kind(
    "code-refused", 400, "The code is refused",
    "The code is mistyped, has expired, or was used before.",
    "Check the code against the newest message or your authenticator app, and try again. After a few wrong tries, ask"
    " for a new one. If an app's codes are never right, set your phone's clock to automatic.",
)  # fmt: skip
PASSWORD_REFUSED: Final = Kind(
    "password-refused", 400, "The password is refused",
    "You are signed in, but the password you gave to confirm this is wrong, or your account has no password.",
    "Type it again. If you have forgotten it, or never had one, choose a new one with “forgot password”.",
)  # fmt: skip
PASSKEY_REFUSED: Final = Kind(
    "passkey-refused", 400, "The passkey is refused",
    "The passkey is no longer known here, or its proof does not match this request.",
    "Try again, try another passkey, or sign in another way and add the passkey again.",
)  # fmt: skip
UNAUTHENTICATED: Final = Kind(
    "unauthenticated", 401, "The caller is not authenticated",
    "The request carries no credential, or an API key that is not valid: mistyped, revoked or expired.",
    "Send an access token (`authorization: Bearer …`), an API key (`x-api-key`), or sign the request. Check that the"
    " whole key was copied, and that it is still valid.",
)  # fmt: skip
SIGNATURE_REFUSED: Final = Kind(
    "signature-refused", 401, "The signature is refused",
    "The signature does not match the request, one of its headers is missing, the key is not valid, or the clock is"
    " off.",
    "Sign exactly what is sent: method, path with query, timestamp, nonce and body. Set the machine's clock by NTP;"
    " 300 seconds off is too much. A proxy that rewrites the path breaks the signature.",
)  # fmt: skip
CALLBACK_REFUSED: Final = Kind(
    "callback-refused", 401, "Nothing proves that the provider sent this",
    "The secret or the signature that comes with a provider's callback is wrong, its time is more than 300 seconds"
    " off, or no secret is set for this provider. Nothing was stored.",
    "Compare the secret that is set here with the one at the provider, and the address that is configured there with"
    " APP_URL_API: some providers sign the address. Set the machine's clock by NTP.",
)  # fmt: skip
REQUEST_REPLAYED: Final = Kind(
    "request-replayed", 401, "This request was received before",
    "A signed request with the same nonce came before. Each signature counts once, so that nobody can send a recorded"
    " request again.",
    "Sign each try anew, with a new nonce and timestamp; keep the `Idempotency-Key`.",
)  # fmt: skip
TOKEN_REFUSED: Final = Kind(
    "token-refused", 401, "The access token is refused",
    "The access token is damaged, was not issued here, or is meant for another service.",
    "Sign in again. If it keeps happening, check that the client sends the access token and not the refresh token.",
)  # fmt: skip
TOKEN_EXPIRED: Final = Kind(
    "token-expired", 401, "The access token has expired",
    "Access tokens are short-lived, and this one has expired.",
    "Get a new one with the refresh token (`POST /v1/auth/refresh`), and send the request again. Apps do this by"
    " themselves.",
)  # fmt: skip
TOKEN_REVOKED: Final = Kind(
    "token-revoked", 401, "The session of this access token has ended",
    "The session was signed out, ended from another device, or ended for safety, such as after a password change.",
    "Sign in again.",
)  # fmt: skip
SIGN_IN_REFUSED: Final = Kind(
    "invalid-credentials", 401, "The sign-in is refused",
    "The address or the password is wrong, or the account cannot be used. We do not say which, so that strangers learn"
    " nothing.",
    "Check both, and try again. If you have forgotten the password, ask for a link to choose a new one.",
)  # fmt: skip
REFRESH_TOKEN_REUSED: Final = Kind(
    "refresh-token-reused", 401, "The refresh token was used before",
    "A refresh token works once. This one came a second time, so somebody else may have a copy: the session was ended.",
    "Sign in again. Clients must keep the newest refresh token, and never send one from two places at once.",
)  # fmt: skip
SESSION_ENDED: Final = Kind(
    "session-ended", 401, "The session has ended",
    "The session was signed out, has expired, or was ended from elsewhere.",
    "Sign in again.",
)  # fmt: skip
EMAIL_UNVERIFIED: Final = Kind(
    "email-unverified", 403, "The e-mail address is not verified yet",
    "The password is right, but the address of the account has not been confirmed.",
    "Open the newest message we sent to the address and follow its link, or enter its code. Look in the spam folder,"
    " too.",
)  # fmt: skip
REAUTHENTICATION_REQUIRED: Final = Kind(
    "reauthentication-required", 403, "A fresh confirmation is required",
    "This changes how the account is protected, or affects other people. It needs a recent proof that it is really"
    " you, or the second factor, if one is on.",
    "Confirm with your password, a code or a passkey (`POST /v1/auth/reauthenticate`), and send the request again.",
)  # fmt: skip
CSRF_REFUSED: Final = Kind(
    "csrf-refused", 403, "The request may come from another site",
    "The request is authenticated by a cookie, and nothing shows that a page of ours sent it.",
    "Send `x-csrf-token` with the `csrf_token` returned at sign-in, from this address or an origin that the"
    " operator listed in `CORS_ORIGINS`.",
)  # fmt: skip
PERSON_REQUIRED: Final = Kind(
    "person-required", 403, "Only a signed-in person may do this",
    "This is about a person's own account. API keys and signed requests act for organizations, not for people.",
    "Sign in as the person, and send their access token.",
)  # fmt: skip
NOT_ALLOWED: Final = Kind(
    "not-allowed", 403, "The caller may not do this",
    "The caller is known, but a rule does not allow this; `detail` says which.",
    "Ask somebody whose role allows it, such as the owner of the organization.",
)  # fmt: skip
SCOPE_MISSING: Final = Kind(
    "scope-missing", 403, "The credential may not do this",
    "The credential, or the person's role in the organization, lacks the permission that this needs.",
    "Ask an owner or manager for the permission that `detail` names, or for a credential that has it.",
)  # fmt: skip
ORGANIZATION_FORBIDDEN: Final = Kind(
    "organization-forbidden", 403, "The credential may not act for this organization",
    "The request names an organization that this caller does not belong to, or is no longer a member of.",
    "Leave the organization out, or name one of your own. If you should be a member, ask its owner for an invitation.",
)  # fmt: skip
NOT_FOUND: Final = Kind(
    "not-found", 404, "There is nothing here",
    "There is nothing at this address: it is mistyped, was removed, or you have no access to it.",
    "Check the path and its ids. The routes are listed at `/schema`.",
)  # fmt: skip
METHOD_NOT_ALLOWED: Final = Kind(
    "method-not-allowed", 405, "This address does not support this method",
    "The address exists, but not for this method, such as a `POST` where only `GET` is served.",
    "Use a method that the `Allow` header names.",
)  # fmt: skip
NOT_ACCEPTABLE: Final = Kind(
    "not-acceptable", 406, "The response has no format that the caller accepts",
    "The `Accept` header excludes `application/json`, which is what this address returns.",
    "Send `accept: application/json`, or leave the header out.",
)  # fmt: skip
TOO_SLOW: Final = Kind(
    "request-timeout", 408, "The request took too long to arrive",
    "The body did not arrive in time.",
    "Send it again over a better connection, or send less at once.",
)  # fmt: skip
IN_PROGRESS: Final = Kind(
    "idempotency-in-progress", 409, "The first request with this key is still running",
    "Another request with the same `Idempotency-Key` has not been answered yet.",
    "Wait for the seconds that `Retry-After` names, then ask again with the same key: you get the first one's answer.",
)  # fmt: skip
NAME_IN_USE: Final = Kind(
    "name-in-use", 409, "The job's id or unique key is currently in use",
    "Other requests are storing jobs with the same `id` or `unique_key` at this moment. Nothing was stored.",
    "Wait for the seconds that `Retry-After` names, then ask again with the same `Idempotency-Key`.",
)  # fmt: skip
JOB_EXISTS: Final = Kind(
    "job-exists", 409, "A job with this id already exists",
    "The id that you chose belongs to another job.",
    "Leave `id` out, or make a new version 7 UUID. If this was a retry, send the `Idempotency-Key` of the first try.",
)  # fmt: skip
QUEUE_UNKNOWN: Final = Kind(
    "queue-unknown", 404, "There is no such queue",
    "There is no queue with this name, neither a built-in one nor one that a worker has ever served.",
    "Use one of those that `detail` names. A queue declared by a service is known once a worker serves it.",
)  # fmt: skip
LIMITS_UNKNOWN: Final = Kind(
    "limits-unknown", 404, "The job type has no limits by key",
    "No worker has declared a limit by key for a job type of this name, so there is none to change.",
    "Use a type that `GET /v1/limits` lists. A type is listed once a worker that declares limits for it has started.",
)  # fmt: skip
JOB_ENDED: Final = Kind(
    "job-ended", 409, "The job has ended",
    "The job is already completed, failed or cancelled, so it can no longer be cancelled or moved; a completed job is"
    " not retried.",
    "Nothing needs to be done. Read the job to see how it ended.",
)  # fmt: skip
DEAD_LETTER_SETTLED: Final = Kind(
    "dead-letter-settled", 409, "The dead letter is settled",
    "It was requeued or discarded, or it has expired.",
    "Nothing needs to be done. Read its job to see its outcome; a job that failed again has another dead letter.",
)  # fmt: skip
DELIVERY_SETTLED: Final = Kind(
    "delivery-settled", 409, "The outcome of the message is known",
    "Only a message whose status is `unknown` can be declared sent, or be sent again.",
    "Nothing needs to be done. Read the message to see its outcome.",
)  # fmt: skip
WORDS_GONE: Final = Kind(
    "words-gone", 409, "The message's text has been erased",
    "The message's text was erased, so it cannot be sent again: it contained a code or a link, or its retention"
    " period is over.",
    "Send a new message; declare this one `sent` if nobody has to look at it.",
)  # fmt: skip
BULK_ACTION_ENDED: Final = Kind(
    "bulk-action-ended", 409, "The bulk action has ended",
    "The bulk action is done, or was stopped, so there is nothing left to stop.",
    "Nothing needs to be done. Read it to see how far it got.",
)  # fmt: skip
UNIQUE_KEY_HELD: Final = Kind(
    "unique-key-held", 409, "Another job holds the unique key",
    "While a job of this type with the same `unique_key` is unfinished, this one cannot wait again. `errors` names it.",
    "Wait until that job has ended, or cancel it; or discard this one, if the other does its work.",
)  # fmt: skip
JOB_RUNNING: Final = Kind(
    "job-running", 409, "The job is running, or waiting for something else",
    "A worker is running the job, or it waits for something other than its time or its turn. An unfinished job cannot"
    " be retried, and a job that is not waiting in its queue cannot be moved.",
    "See `GET /v1/jobs/{job_id}/explain`. Wait until it has ended, or cancel it.",
)  # fmt: skip
SCHEDULE_ENDED: Final = Kind(
    "schedule-ended", 409, "The schedule has ended",
    "The schedule has no times left, so it can be neither paused nor resumed.",
    "Create it again under the same name, with another rule or a later end; or run it once more manually.",
)  # fmt: skip
FLOW_CLOSED: Final = Kind(
    "flow-closed", 409, "The flow can no longer be changed in this way",
    "The flow is closed, so no members can be added, or all of it has ended, so it cannot be cancelled.",
    "Make a new flow for further jobs. Read the flow to see how it stands.",
)  # fmt: skip
TOO_MANY_FLOWS: Final = Kind(
    "too-many-open-flows", 409, "The organization has too many open flows",
    "A flow that is made with `close: false` stays open until somebody closes it, and an organization can have only"
    " so many of these at once (`detail` says how many).",
    "Close or cancel those that need no more jobs (`GET /v1/flows?state=open`), or make the flow with all its jobs.",
)  # fmt: skip
CONFLICT: Final = Kind(
    "conflict", 409, "The change conflicts with the current state",
    "The current state does not allow the change: a name is taken, a limit is reached, or somebody was faster."
    " `detail` says which.",
    "Read the current state, and change what `detail` names.",
)  # fmt: skip
JOB_GONE: Final = Kind(
    "job-gone", 410, "The job of this key no longer exists",
    "This `Idempotency-Key` made a job, which was accepted and has been deleted since, as all jobs are after a while."
    " So the first response cannot be returned again; nothing was done anew. `detail` names the job.",
    "Nothing needs to be done if this was a retry. To create another job, use a new key.",
)  # fmt: skip
BODY_TOO_LARGE: Final = Kind(
    "body-too-large", 413, "The body is too large",
    "The body is larger than this address accepts.",
    "Send less at once, such as several smaller requests.",
)  # fmt: skip
UNSUPPORTED_MEDIA_TYPE: Final = Kind(
    "unsupported-media-type", 415, "The body is of the wrong media type",
    "The body is declared as something other than plain JSON, or is compressed.",
    "Send JSON in UTF-8, uncompressed, with `content-type: application/json`.",
)  # fmt: skip
INVALID: Final = Kind(
    "invalid", 422, "Parts of the request are not valid",
    "The request can be read, but some of its values cannot be accepted. Nothing was changed.",
    "Go through `errors`: each entry names a field, what would be right, and a `code` for programs. The codes are"
    " listed below.",
)  # fmt: skip
FILTER_TOO_WIDE: Final = Kind(
    "filter-too-wide", 422, "The filter is too broad",
    "The filter names no type, queue, error code or fingerprint, so the bulk action would apply to everything.",
    "Narrow the filter. `dry_run` counts what it matches, and shows the first of them.",
)  # fmt: skip
CRON_INVALID: Final = Kind(
    "cron-invalid", 422, "The cron expression is not valid",
    "One of the expression's fields (minute, hour, day of the month, month, weekday; with six, seconds come first)"
    " contains an invalid value.",
    "See `errors` for which one. `POST /v1/schedules/preview` tells what an expression means, in words and times.",
)  # fmt: skip
ZONE_UNKNOWN: Final = Kind(
    "zone-unknown", 422, "There is no such time zone",
    "This time zone is not known. Time zones have IANA names, such as Europe/Berlin.",
    "Use the exact name from the IANA list. Abbreviations such as CET do not identify a place and its rules.",
)  # fmt: skip
NEVER_FIRES: Final = Kind(
    "never-fires", 422, "The schedule would never fire",
    "No date of the calendar fits the expression, such as 31 February, or all of its times lie before now.",
    "Check the day and the month of the expression, and when the schedule starts and ends.",
)  # fmt: skip
UNKNOWN_MEMBER: Final = Kind(
    "unknown-member", 422, "A job waits for a job that is not a member of its flow",
    "A job can wait for jobs that come before it in the request, and for members that the flow has already.",
    "Name in `after` the position (from 0) or the `ref` of an earlier job of the request, or a member's id.",
)  # fmt: skip
KEY_REUSED: Final = Kind(
    "idempotency-key-reused", 422, "The idempotency key belongs to another request",
    "This `Idempotency-Key` was used in the last 48 hours for another method, path or body.",
    "Make a new key for each new request. Keep a key only to retry the very same request.",
)  # fmt: skip
RATE_LIMITED: Final = Kind(
    "rate-limited", 429, "Too many requests",
    "More requests came than the limit allows, from this caller or from its network address.",
    "Wait for the seconds that `Retry-After` names. Programs should slow down by the `RateLimit` header before they"
    " are refused.",
)  # fmt: skip
HEAD_TOO_LARGE: Final = Kind(
    "head-too-large", 431, "The request's head is too large",
    "Request line and header fields together are larger than 64 KiB, or there are more than 100 header fields.",
    "Send fewer or shorter header fields. Often a browser has gathered too many cookies: remove those of this site.",
)  # fmt: skip
INTERNAL_ERROR: Final = Kind(
    "internal-error", 500, "Something went wrong on our side",
    "An error on our side prevented a response. It has been logged.",
    "Try again with the same `Idempotency-Key`. If it happens again, tell us the `request_id`, so that we can find"
    " the cause.",
)  # fmt: skip
GUARD_UNAVAILABLE: Final = Kind(
    "guard-unavailable", 503, "Attempts cannot be counted right now: try again in a moment",
    "What counts attempts at passwords and codes is unavailable for a moment. Until it is back, all attempts are"
    " refused, so that nobody can guess without limit.",
    "Try again in a moment. For operators: `/ready` says whether Redis answers.",
)  # fmt: skip
UNAVAILABLE: Final = Kind(
    "unavailable", 503, "The service cannot do this right now",
    "Something that this needs, such as the database, is not answering at the moment.",
    "Try again after the seconds that `Retry-After` names, with the `Idempotency-Key` of before where the route takes"
    " one. For operators: `/ready` says what is unavailable.",
)  # fmt: skip

KINDS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
