"""E-mail through Resend (https://resend.com/docs/api-reference/emails/send-email)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import httpx

from singr_comms._errors import (
    PermanentSendError,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms._masking import scrub
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.email import (
    EmailAddress,
    EmailEnvelope,
    check_email,
    headline,
    list_headers,
    render_envelope,
    sender_of,
)
from singr_comms.models._message import checked, kind_of
from singr_comms.providers._http import Answer, Bearer, HttpCaller, TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.rendering._inert import inert, unencoded
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret
from singr_config.clock import clock

_NAME: Final = "resend"
_REMEMBERS: Final = 24 * 3600.0
_MARGIN: Final = 1800.0  # for clocks that differ, and for a call that takes its time
# Names of errors (https://resend.com/docs/api-reference/errors) that speak of our key, sender, plan or address.
_ACCOUNT_NAMES: Final = frozenset(
    {
        *("missing_api_key", "restricted_api_key", "invalid_api_key", "suspended_api_key", "inactive_api_key"),
        *("invalid_access", "invalid_scope", "invalid_permission", "invalid_region"),
        *("daily_quota_exceeded", "monthly_quota_exceeded", "not_found", "method_not_allowed"),
    }
)
# An account that is open for tests may write to its owner; a sender's name is an organization's in its own mails.
_ONLY_SOME_NAMES: Final = frozenset({"invalid_to_address", "invalid_from_address"})
_ONLY_TESTS: Final = "only send testing emails"
_WRONG_KEY: Final = "API key is invalid"
_OF_MESSAGES: Final = frozenset({"missing_required_field", "invalid_attachment", "invalid_parameter"})
_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
# Of the fields that a validation error names, the sender's is ours and the others are the message's.
_FIELD: Final = re.compile(r"`(\w+)`")
_SENDER: Final = "from"
_FIELD_IS_OURS: Final[Mapping[str, bool]] = MappingProxyType(
    {_SENDER: True, "to": False, "subject": False, "html": False, "text": False, "tags": False}
)
_TAG: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")


class ResendProvider:
    """Sends e-mail through Resend, which drops a second message with the same token for 24 hours.

    Args:
        http: the application's HTTP client.
        api_key: may be one that can only send.
        sender: the From address; its domain is verified at Resend.
        base_url: where the API is.
        brand: whose messages they are.
        trace_headers: see `HttpCaller`.
        deadline: seconds a whole call may take.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        api_key: Secret,
        sender: EmailAddress,
        base_url: str = "https://api.resend.com",
        brand: BrandSettings = DEFAULT_BRAND,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._auth = Bearer(api_key)
        self._sender = checked(sender, EmailAddress)
        self._brand = brand
        self._url = f"{base_url.rstrip('/')}/emails"

    @property
    def name(self) -> str:
        """`resend`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """For 24 hours after the first try, and for the same words: see `look_up`."""
        return True

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Send one e-mail; the receipt's id is Resend's. Raises as `EmailProvider` says."""
        envelope = check_email(envelope)
        answer = await self._caller.post(
            self._url,
            auth=self._auth,
            headers={"Idempotency-Key": envelope.idempotency_token},
            json=self._written(envelope),
        )
        if not answer.ok:
            raise self._refused(answer)
        identity = answer.body.get("id")
        if not isinstance(identity, str) or not identity:
            raise UnknownOutcomeError("unreadable_answer", "resend answered 2xx without an id", foreign=True)
        return SendReceipt(_NAME, identity)

    async def look_up(self, envelope: EmailEnvelope, began_at: float, /) -> SendReceipt | None:
        """Send it again under its key: a mail that was taken is named, one that was not is sent now.

        Raises as `LooksUp` says; `too_late` after the 24 hours for which Resend keeps a key.
        """
        if clock.time() - began_at > _REMEMBERS - _MARGIN:
            raise UnknownOutcomeError("too_late", "resend keeps idempotency keys for 24 hours only")
        try:
            return await self.send(envelope)
        except UnknownOutcomeError as error:
            if error.about_message:
                raise
            raise TransientError(error.code, error.message) from error

    def _written(self, envelope: EmailEnvelope) -> dict[str, Any]:
        rendered = render_envelope(envelope, self._brand)
        token = envelope.idempotency_token
        headers = list_headers(envelope)
        tags = {"kind": kind_of(envelope.message), "message_id": token}
        return {
            "from": _mailbox(sender_of(envelope, self._sender)),
            "to": [_mailbox(envelope.to)],
            "subject": unencoded(headline(rendered.subject, envelope.meant_for)),
            "html": rendered.html,
            "text": rendered.text,
            # What a callback about the mail brings back.
            "tags": [{"name": name, "value": value} for name, value in tags.items() if _TAG.fullmatch(value)],
            **({"headers": headers} if headers else {}),
        }

    def _refused(self, answer: Answer) -> SendError:
        said, name = str(answer.body.get("message", "")), answer.body.get("name")
        code = f"{_NAME}_{name}" if isinstance(name, str) and name else f"{_NAME}_http_{answer.status}"
        if answer.status == _CONFLICT:
            words = f"resend answered {answer.status}: {scrub(said)}"
            if name == "invalid_idempotent_request":
                # Something was sent under this key, with other words.
                return UnknownOutcomeError(code, words, about_message=True)
            return TransientError(code, words, retry_after=answer.retry_after)
        only_some = name in _ONLY_SOME_NAMES or _ONLY_TESTS in said or _field(said, answer.status) == _SENDER
        return self._caller.refusal(
            answer, code=code, message=said, about_us=_about_us(name, said, answer.status), only_some=only_some
        )


def _about_us(name: object, said: str, status: int) -> bool | None:
    """Whether an error speaks of our account; None where neither its name nor the field that it names tells."""
    if name in _ACCOUNT_NAMES or name in _ONLY_SOME_NAMES or _ONLY_TESTS in said or _WRONG_KEY in said:
        return True
    if name in _OF_MESSAGES:
        return False
    return _FIELD_IS_OURS.get(_field(said, status))


def _field(said: str, status: int) -> str:
    """The field that a validation error names; "" where it names none."""
    found = _FIELD.search(said) if status == _UNPROCESSABLE else None
    return found.group(1) if found else ""


def _mailbox(address: EmailAddress) -> str:
    """A mailbox as RFC 5322 writes it, but for letters beyond ASCII, which Resend encodes."""
    if not address.name:
        return address.email
    quoted = unencoded(inert(address.name)).replace("\\", "\\\\").replace('"', '\\"')
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in quoted):
        raise PermanentSendError("unsafe_mail", "the mail was not handed over: a name is not plain text")
    return f'"{quoted}" <{address.email}>'


def _build(given: Given) -> ResendProvider:
    resend = given.settings.resend
    return ResendProvider(
        given.http,
        api_key=resend.api_key,
        sender=given.sender(),
        base_url=resend.base_url,
        trace_headers=given.trace_headers,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "email", _build)
