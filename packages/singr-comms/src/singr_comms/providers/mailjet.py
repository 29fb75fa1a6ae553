"""E-mail through Mailjet's Send API v3.1 (https://dev.mailjet.com/email/guides/send-api-v31/)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import httpx
import msgspec

from singr_comms._errors import (
    InvalidMessageError,
    PermanentSendError,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
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
from singr_comms.messages import EmailMessage
from singr_comms.models._message import checked, kind_of
from singr_comms.providers._http import Answer, HttpCaller, TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.rendering._inert import WIDE_EQUALS, inert, inert_variables, is_link
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret

T = TypeVar("T")
_NAME: Final = "mailjet"
_PER_CALL: Final = 50
# The sender is not validated, the account may not send or is blocked, the key is unknown, the template is not ours.
_ACCOUNT_CODES: Final = frozenset({"send-0001", "send-0002", "send-0008", "send-0010", "mj-0015"})
_ACCOUNT_STATUSES: Final = frozenset({401, 402, 403})
_OURS: Final = frozenset({"from", "sender", "templateid", "templatelanguage"})  # however it writes them
_SENDERS_NAME: Final = "from.name"  # an organization's, in its own mails: it holds nobody else's
# Mailjet prints variables into its templates as they are, text and HTML alike: no value may hold a tag, or end one.
_NO_TAGS: Final = str.maketrans({"<": "\u2039", ">": "\u203a", '"': "\u201d", "'": "\u2019"})
# Mailjet's template language ({{ }}, {% %}, {# #}) and its older variables ([[ ]]), wherever text meets their parser;
# and the start of an encoded word (=?), since plain ASCII goes into the header as it is. Their wide twins look alike.
_SPECIAL: Final = re.compile(r"\{(?=[{%#]|\Z)|\[(?=\[|\Z)|=(?=\?)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIELD_END: Final = re.compile(r"[.\[]")
_PARSED: Final = ("{{", "{%", "[[")
_BODIES: Final = frozenset({"TextPart", "HTMLPart"})
_WIDE: Final = {"{": "\uff5b", "[": "\uff3b", "=": WIDE_EQUALS}


class MailjetProvider:
    """Sends e-mail through Mailjet, by a template kept there or by this package's own.

    Args:
        http: the application's HTTP client.
        api_key: the public half of the credentials.
        secret_key: the secret half.
        sender: the From address, validated at Mailjet.
        templates: Mailjet template id per message kind; a missing kind or 0 renders our own template.
        sandbox: have Mailjet check everything and deliver nothing.
        deduplicate: have Mailjet drop a second copy of a message. Each message is a campaign of its own there, and
            fills its list of campaigns.
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
        secret_key: Secret,
        sender: EmailAddress,
        templates: Mapping[str, int] | None = None,
        sandbox: bool = False,
        deduplicate: bool = False,
        base_url: str = "https://api.mailjet.com",
        brand: BrandSettings = DEFAULT_BRAND,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._api_key = api_key
        self._secret_key = secret_key
        self._sender = checked(sender, EmailAddress)
        self._templates = dict(templates or {})
        self._sandbox = sandbox
        self._deduplicate = deduplicate
        self._brand = brand
        self._url = f"{base_url.rstrip('/')}/v3.1/send"
        self._list_url = f"{base_url.rstrip('/')}/v3/REST/message"

    @property
    def name(self) -> str:
        """`mailjet`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """Where it deduplicates: a message that comes again is dropped.

        Otherwise Mailjet keeps the token (CustomID) for its callbacks, and sends a second message all the same.
        """
        return self._deduplicate

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Send one e-mail; the receipt's id is Mailjet's MessageID. Raises as `EmailProvider` says."""
        outcomes = await self._call([self._message(check_email(envelope))])
        if isinstance(outcomes[0], SendError):
            raise outcomes[0]
        return outcomes[0]

    async def look_up(self, envelope: EmailEnvelope, _began_at: float, /) -> SendReceipt | None:
        """Ask Mailjet for the message of this token (CustomID). Raises as `LooksUp` says."""
        token = envelope.idempotency_token
        listed = await self._caller.ask(
            self._list_url, auth=self._auth(), params={"CustomID": token, "ShowCustomID": "true", "Limit": 1}
        )
        found = listed.get("Data")
        if not isinstance(found, list):
            raise TransientError("unreadable_answer", "mailjet answered 2xx without a list of messages")
        if not found:
            return None
        first = found[0] if isinstance(found[0], dict) else {}
        if first.get("CustomID") != token or not isinstance(first.get("ID"), int | str):
            raise TransientError("unreadable_answer", "mailjet listed another message than the one that was asked for")
        return SendReceipt(_NAME, str(first["ID"]))

    def _auth(self) -> tuple[str, str]:
        return self._api_key.reveal(), self._secret_key.reveal()

    async def send_many(self, envelopes: Sequence[EmailEnvelope]) -> list[SendReceipt | SendError]:
        """Send any number, 50 per call, one call after the other; one outcome each, in order.

        An invalid message becomes a PermanentSendError with code `invalid_message` and leaves the others alone.
        """
        outcomes: dict[int, SendReceipt | SendError] = {}
        valid: list[tuple[int, dict[str, Any]]] = []
        for position, envelope in enumerate(envelopes):
            try:
                valid.append((position, self._message(check_email(envelope))))
            except InvalidMessageError as error:
                outcomes[position] = PermanentSendError("invalid_message", str(error))
            except PermanentSendError as error:
                outcomes[position] = error
        for start in range(0, len(valid), _PER_CALL):
            chunk = valid[start : start + _PER_CALL]
            answers = await self._call_safely([message for _, message in chunk])
            outcomes.update(zip((position for position, _ in chunk), answers, strict=True))
        return [outcomes[position] for position in range(len(envelopes))]

    async def _call_safely(self, messages: Sequence[dict[str, Any]]) -> Sequence[SendReceipt | SendError]:
        try:
            return await self._call(messages)
        except SendError as error:
            return [error] * len(messages)

    async def _call(self, messages: Sequence[dict[str, Any]]) -> Sequence[SendReceipt | SendError]:
        body: dict[str, Any] = {"Messages": messages}
        if len(messages) > 1:
            body["AdvanceErrorHandling"] = True  # one message's error must not hold back its neighbours
        if self._sandbox:
            body["SandboxMode"] = True
        answer = await self._caller.post(self._url, auth=self._auth(), json=body)
        entries = answer.body.get("Messages")
        if isinstance(entries, list) and len(entries) == len(messages) and (answer.ok or answer.status < 500):  # noqa: PLR2004 - HTTP
            return [self._outcome(answer, entry) for entry in entries]
        if answer.ok:
            raise UnknownOutcomeError(
                "unreadable_answer", "mailjet answered 2xx, but not for each message", foreign=True
            )
        raise self._caller.refusal(
            answer,
            code=_code(answer.body, answer),
            message=str(answer.body.get("ErrorMessage", "")),
            about_us=_about_us(answer.body, _status(answer.body.get("StatusCode"))) or None,
        )

    def _message(self, envelope: EmailEnvelope) -> dict[str, Any]:
        message = self._written(envelope)
        _judge(message)
        return message

    def _written(self, envelope: EmailEnvelope) -> dict[str, Any]:
        message: dict[str, Any] = {
            "From": _mailbox(sender_of(envelope, self._sender)),
            "To": [_mailbox(envelope.to)],
            "CustomID": envelope.idempotency_token,
        }
        if self._deduplicate:
            message |= {"CustomCampaign": envelope.idempotency_token, "DeduplicateCampaign": True}
        if headers := list_headers(envelope):
            message["Headers"] = headers  # in place of Mailjet's own, which would unsubscribe there alone
        template = self._templates.get(kind_of(envelope.message), 0)
        if template:
            return message | {
                "TemplateID": template,
                "TemplateLanguage": True,
                "Variables": template_variables(envelope.message, envelope.brand or self._brand),
            }
        rendered = render_envelope(msgspec.structs.replace(envelope, message=_tamed(envelope.message)), self._brand)
        subject = _tame(headline(rendered.subject, envelope.meant_for))  # two variables side by side, too
        return message | {"Subject": subject, "TextPart": rendered.text, "HTMLPart": rendered.html}

    def _outcome(self, answer: Answer, entry: object) -> SendReceipt | SendError:
        fields = entry if isinstance(entry, dict) else {}
        if fields.get("Status") == "success":
            return SendReceipt(_NAME, _message_id(fields))
        errors = fields.get("Errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        own = msgspec.structs.replace(answer, status=_status(first.get("StatusCode")))
        return self._caller.refusal(
            own,
            code=_code(first, own),
            message=str(first.get("ErrorMessage", "")),
            about_us=_about_us(first, own.status),
            only_some=_SENDERS_NAME in _fields(first),
        )


def template_variables(message: EmailMessage, brand: BrandSettings = DEFAULT_BRAND) -> dict[str, str | int]:
    """The variables a provider's own template gets: those of SPEC 5, without a character that could start a tag.

    Beside them, for the template's own words: `brand_name`, `brand_color`, `brand_site` and `brand_support`.
    """
    branding = {f"brand_{name}": getattr(brand, name) for name in ("name", "color", "site", "support")}
    return {name: value.translate(_NO_TAGS) for name, value in branding.items()} | {
        name: _without_tags(name, value) if isinstance(value, str) else ("" if value is None else value)
        for name, value in inert_variables(_tamed(message)).items()
    }


def _without_tags(name: str, value: str) -> str:
    return value.replace("'", "%27") if is_link(name) else value.translate(_NO_TAGS)


def _tamed(told: T, name: str = "") -> T:
    """The same with nothing in its texts that Mailjet, or a reader of its headers, would take for more than text.

    Args:
        told: a message, or what it holds under `name`: a text, a list, a struct of its own.
        name: tells links from other texts.
    """
    tamed: Any = told
    if isinstance(told, str):
        tamed = told.replace("[[", "%5B%5B") if is_link(name) else _tame(inert(told))
    elif isinstance(told, list | tuple):
        tamed = type(told)(_tamed(one, name) for one in told)
    elif isinstance(told, msgspec.Struct):
        texts = {field: _tamed(getattr(told, field), field) for field in told.__struct_fields__}
        tamed = msgspec.structs.replace(told, **texts)
    return cast("T", tamed)


def _judge(part: object, name: str = "") -> None:
    """Look at a finished message as Mailjet will, trusting nothing that was meant.

    Raises:
        PermanentSendError: one of its texts holds a control character, or what their parser would take for more.
    """
    if isinstance(part, list):
        for one in part:
            _judge(one, name)
    elif isinstance(part, dict):
        for key, value in part.items():
            _judge(value, key)
    elif isinstance(part, str):
        words = part.replace("\n", "") if name in _BODIES else part
        written = name in _BODIES or is_link(name)
        special = any(mark in part for mark in _PARSED) if written else _SPECIAL.search(part)
        # What is printable holds no control character, and that is told eight times as fast.
        if special or (not words.isprintable() and _CONTROL.search(words)):
            raise PermanentSendError("unsafe_mail", f"the mail was not handed over: {name} is not plain text")


def _tame(text: str) -> str:
    return _SPECIAL.sub(lambda found: _WIDE[found.group()], text)


def _mailbox(address: EmailAddress) -> dict[str, str]:
    return {"Email": address.email, **({"Name": _tame(inert(address.name))} if address.name else {})}


def _message_id(fields: Mapping[str, Any]) -> str | None:
    recipients = fields.get("To")
    first = recipients[0] if isinstance(recipients, list) and recipients and isinstance(recipients[0], dict) else {}
    # In sandbox mode the number is 0 and the UUID is empty.
    return str(first.get("MessageID") or first.get("MessageUUID") or "") or None


def _about_us(error: Mapping[str, Any], status: int) -> bool | None:
    """Whether an error within the answer speaks of our account or sender, and not of this message.

    None where it names neither a code that is known nor a field of the message.
    """
    code = error.get("ErrorCode")
    fields = {_FIELD_END.split(field, 1)[0] for field in _fields(error)}
    if (isinstance(code, str) and code.lower() in _ACCOUNT_CODES) or fields & _OURS or status in _ACCOUNT_STATUSES:
        return True
    return False if fields else None


def _fields(error: Mapping[str, Any]) -> set[str]:
    """Which fields of the message an error names, in small letters."""
    related = error.get("ErrorRelatedTo")
    return {str(field).lower() for field in related} if isinstance(related, list) else set()


def _status(said: object) -> int:
    """The HTTP status that one message's error names, as a number or as text; 400 where it names none."""
    if isinstance(said, str) and said.isascii() and said.isdigit():
        said = int(said[:4])
    return said if isinstance(said, int) and 400 <= said < 600 else 400  # noqa: PLR2004 - HTTP


def _code(fields: Mapping[str, Any], answer: Answer) -> str:
    code = fields.get("ErrorCode")
    return f"mailjet_{code}" if isinstance(code, str) and code else f"mailjet_http_{answer.status}"


def _build(given: Given) -> MailjetProvider:
    mailjet = given.settings.mailjet
    templates = mailjet.templates
    return MailjetProvider(
        given.http,
        api_key=mailjet.api_key,
        secret_key=mailjet.secret_key,
        sender=EmailAddress(mailjet.from_email, mailjet.from_name or None),
        templates={
            "verification": templates.verification,
            "password_reset": templates.password_reset,
            "magic_link": templates.magic_link,
            "two_factor_code": templates.two_factor,
            "welcome": templates.welcome,
            "invitation": templates.invitation,
        },
        sandbox=mailjet.sandbox,
        deduplicate=mailjet.deduplicate,
        base_url=mailjet.base_url,
        trace_headers=given.trace_headers,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "email", _build)
