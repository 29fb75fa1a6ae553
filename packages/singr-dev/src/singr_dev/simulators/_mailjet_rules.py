"""What Mailjet's Send API v3.1 demands of a message (its documentation's table of errors)."""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from singr_dev.simulators._simulator import Received

LARGEST_BODY = 15 * 1024 * 1024
MOST_MESSAGES = 50
_MOST_RECIPIENTS = 50
_LONGEST_SUBJECT = 255
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+(?<!\.)@{_LABEL}(?:\.{_LABEL})+")
_LINE_BREAK = re.compile(r"[\r\n]")
_ADDRESSES = ("To", "Cc", "Bcc")
_TRACKING = ("account_default", "disabled", "enabled")
_OWN_HEADERS = frozenset(
    [
        "from",
        "sender",
        "subject",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "return-path",
        "delivered-to",
        "dkim-signature",
        "domainkey-status",
        "received-spf",
        "authentication-results",
        "received",
        "message-id",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    ]
)
_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "From": (dict, "email"),
    "Sender": (dict, "email"),
    "ReplyTo": (dict, "email"),
    "TemplateErrorReporting": (dict, "email"),
    "To": (list, "array of emails"),
    "Cc": (list, "array of emails"),
    "Bcc": (list, "array of emails"),
    "Attachments": (list, "array of attachments"),
    "InlinedAttachments": (list, "array of attachments"),
    "Headers": (dict, "map of strings"),
    "Variables": (dict, "map of variables"),
    "TemplateID": (int, "int64"),
    "Priority": (int, "int64"),
    "TemplateLanguage": (bool, "bool"),
    "TemplateErrorDeliver": (bool, "bool"),
    "DeduplicateCampaign": (bool, "bool"),
    "Subject": (str, "string"),
    "TextPart": (str, "string"),
    "HTMLPart": (str, "string"),
    "CustomID": (str, "string"),
    "EventPayload": (str, "string"),
    "CustomCampaign": (str, "string"),
    "URLTags": (str, "string"),
    "TrackOpens": (str, "string"),
    "TrackClicks": (str, "string"),
}
PROPERTIES = frozenset(_TYPES)

Error = dict[str, Any]


def error(code: str, message: str, related: list[str] | None = None, status: int = 400) -> Error:
    """An error object as Mailjet words it."""
    described = {"ErrorIdentifier": str(uuid.uuid4()), "ErrorCode": code, "StatusCode": status, "ErrorMessage": message}
    return described if related is None else {**described, "ErrorRelatedTo": related}


@dataclass(frozen=True)
class Account:
    """What the account owns: validated senders (addresses, or domains as `*@domain`) and templates (None: any)."""

    senders: frozenset[str]
    templates: frozenset[int] | None = None

    def may_send_as(self, address: str) -> bool:
        """Whether `address` is a validated sender."""
        address = address.lower()
        return address in self.senders or f"*@{address.rpartition('@')[2]}" in self.senders


def problems(message: Mapping[str, Any], account: Account) -> list[Error]:
    """Everything that is wrong with one message; empty when it will be sent."""
    mistyped = [found for name, value in message.items() if (found := _mistyped(name, value))]
    if mistyped:
        return mistyped
    rules: tuple[Callable[[Mapping[str, Any], Account], list[Error]], ...] = (_sender, _recipients, _content, _extras)
    return [found for rule in rules for found in rule(message, account)]


def _mistyped(name: str, value: Any) -> Error | None:
    kind, shown = _TYPES[name]
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    return None if right else error("mj-0004", f'Type mismatch. Expected type "{shown}".', [name])


def _address(value: Any, where: str) -> list[Error]:
    if not isinstance(value, dict) or not set(value) <= {"Email", "Name"}:
        return [error("mj-0004", 'Type mismatch. Expected type "email".', [where])]
    address, name = value.get("Email"), value.get("Name", "")
    if not isinstance(address, str | None) or not isinstance(name, str | None):
        return [error("mj-0004", 'Type mismatch. Expected type "string".', [where])]
    checks = (
        (address is None, "mj-0003", "Missing mandatory property.", "Email"),
        (address == "", "mj-0012", "The value must not be empty.", "Email"),
        (not _EMAIL.fullmatch(address or ""), "mj-0013", f'"{address}" is an invalid email address.', "Email"),
        (_LINE_BREAK.search(name or ""), "mj-0005", "The value holds characters that are not allowed.", "Name"),
    )
    return next(([error(code, text, [f"{where}.{part}"])] for wrong, code, text, part in checks if wrong), [])


def _sender(message: Mapping[str, Any], account: Account) -> list[Error]:
    sender = message.get("From")
    if sender is None:
        if message.get("TemplateID"):
            return []  # the template may name one
        return [error("mj-0003", "Missing mandatory property.", ["From"])]
    if found := _address(sender, "From"):
        return found
    if not account.may_send_as(sender["Email"]):
        text = f'"{sender["Email"]}" is not an authorized sender email address for your account.'
        return [error("send-0008", text, ["From"], 403)]
    return _address(message["ReplyTo"], "ReplyTo") if "ReplyTo" in message else []


def _recipients(message: Mapping[str, Any], _account: Account) -> list[Error]:
    if "To" not in message:
        return [error("mj-0003", "Missing mandatory property.", ["To"])]
    if not message["To"]:
        return [error("mj-0007", "The array must not be empty.", ["To"])]
    everyone = [(item, f"{name}[{i}]") for name in _ADDRESSES for i, item in enumerate(message.get(name, []))]
    if len(everyone) > _MOST_RECIPIENTS:
        return [error("send-0015", f"The number of recipients is over {_MOST_RECIPIENTS}.", list(_ADDRESSES))]
    return [found for item, where in everyone for found in _address(item, where)]


def _content(message: Mapping[str, Any], account: Account) -> list[Error]:
    found = []
    template = message.get("TemplateID")
    if not template and not message.get("TextPart") and not message.get("HTMLPart"):
        text = 'At least "HTMLPart", "TextPart" or "TemplateID" must be provided.'
        found.append(error("send-0003", text, ["HTMLPart", "TextPart", "TemplateID"]))
    if template and (message.get("HTMLPart") or message.get("TextPart")):
        found.append(error("send-0004", "Duplicated content: a template has its own.", ["HTMLPart", "TemplateID"]))
    if template is not None and (
        template <= 0 or (account.templates is not None and template not in account.templates)
    ):
        found.append(error("send-0010", f'Template "{template}" can not be used by this API key.', ["TemplateID"]))
    if "TemplateLanguage" not in message and {"TemplateErrorReporting", "TemplateErrorDeliver"} & message.keys():
        found.append(error("send-0016", "TemplateLanguage is missing.", ["TemplateLanguage"]))
    subject = message.get("Subject", "")
    if len(subject) > _LONGEST_SUBJECT:
        found.append(error("mj-0006", f"Characters limit exceeded. Max allowed - {_LONGEST_SUBJECT}.", ["Subject"]))
    if _LINE_BREAK.search(subject):
        found.append(error("mj-0005", "The value holds characters that are not allowed.", ["Subject"]))
    return found


def _extras(message: Mapping[str, Any], _account: Account) -> list[Error]:
    found = []
    for name, value in message.get("Headers", {}).items():
        if name.lower() in _OWN_HEADERS or name.lower().startswith("x-mj-"):
            found.append(error("send-0011", f'The header "{name}" is set by its own property.', [f'Headers["{name}"]']))
        elif not isinstance(value, str) or _LINE_BREAK.search(name + value):
            found.append(error("mj-0004", 'Type mismatch. Expected type "string".', [f'Headers["{name}"]']))
    found.extend(
        error("mj-0005", f"Allowed values are: {', '.join(_TRACKING)}.", [name])
        for name in ("TrackOpens", "TrackClicks")
        if message.get(name, "enabled") not in _TRACKING
    )
    if message.get("DeduplicateCampaign") and not message.get("CustomCampaign"):
        found.append(error("send-0012", "CustomCampaign is missing.", ["CustomCampaign", "DeduplicateCampaign"]))
    for name in ("Attachments", "InlinedAttachments"):
        for number, item in enumerate(message.get(name, [])):
            needed = {"ContentType", "Filename", "Base64Content"}
            if not isinstance(item, dict) or not needed <= item.keys():
                found.append(error("mj-0003", "Missing mandatory property.", [f"{name}[{number}]"]))
    return found


_FILTERS = frozenset({"CustomID", "Limit", "Offset", "ShowCustomID", "ShowSubject", "ShowContactAlt"})
_MOST_LISTED = 1000


def listed(taken: Sequence[Received], query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The messages that `GET /v3/REST/message` shows, newest first.

    Raises:
        ValueError: a filter that this simulator does not know, or a limit that is none; Mailjet ignores many of them,
            and then lists what nobody asked for.
    """
    if unknown := query.keys() - _FILTERS:
        raise ValueError(f"Invalid filter: {', '.join(sorted(unknown))}")
    limit, offset = int(query.get("Limit", "10")) or _MOST_LISTED, int(query.get("Offset", "0"))
    if not 0 < limit <= _MOST_LISTED or offset < 0:
        raise ValueError("Invalid Limit or Offset")
    wanted = [one for one in reversed(taken) if query.get("CustomID") in {None, one.message.get("CustomID", "")}]
    return [_row(one, query) for one in wanted[offset : offset + limit]]


def _row(one: Received, query: Mapping[str, str]) -> dict[str, Any]:
    def shown(name: str, value: str) -> str:
        return value if query.get(f"Show{name}") == "true" else ""

    return {
        "ArrivedAt": datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "AttachmentCount": len(one.message.get("Attachments", [])),
        "AttemptCount": 0,
        "CampaignID": 0,
        "ContactAlt": shown("ContactAlt", one.message["To"][0]["Email"]),
        "ContactID": 1,
        "CustomID": shown("CustomID", one.message.get("CustomID", "")),
        "Delay": 0,
        "ID": int(one.id),
        "IsClickTracked": False,
        "IsOpenTracked": False,
        "MessageSize": 0,
        "SenderID": 1,
        "Status": "sent",
        "Subject": shown("Subject", one.message.get("Subject", "")),
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, one.id)),
    }
