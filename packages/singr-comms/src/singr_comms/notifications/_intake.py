"""Messages that come in over HTTP: prepared on the ingestion's hot path, written with their jobs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from singr_comms.catalogue._fields import DeviceName, PersonName, Title
from singr_comms.messages._messages import EmailMessage, SmsMessage, kind_of
from singr_comms.notifications._requests import EmailRequest, SendEmail, SendSms, SmsRequest
from singr_comms.notifications._rows import INSERT_ROWS, MessageRow, row_for
from singr_config.text import VISIBLE_RULE, has_visible
from singr_db import Sealer
from singr_jobs import IntakeError, ReservedError

_NAMES: Final = (PersonName, DeviceName, Title)


def _names_in(message: type[msgspec.Struct]) -> tuple[str, ...]:
    """Which variables of a message name somebody or something to people."""
    fields: Iterable[Any] = msgspec.structs.fields(message)
    return tuple(
        field.encode_name for field in fields if any(kind in _NAMES for kind in (field.type, *get_args(field.type)))
    )


def _kinds_for_organizations(messages: Any) -> str:
    return " or ".join(kind_of(message) for message in get_args(messages) if message.speaks_for == "organization")


_open_kinds: Final[Mapping[type, str]] = {
    EmailRequest: _kinds_for_organizations(EmailMessage),
    SmsRequest: _kinds_for_organizations(SmsMessage),
}
_names: Final[Mapping[type, tuple[str, ...]]] = {
    message: _names_in(message) for message in (*get_args(EmailMessage), *get_args(SmsMessage))
}


class MessageIntake:
    """Turns requests for e-mails and SMS into a job and a sealed message row; one object serves both channels.

    Requests are expected as a strict decoder gives them: every bound of the models holds.

    Args:
        sealer: Seals recipients and contents.
        link_origins: The sites that messages of organizations may lead to, such as ``https://app.example``.
    """

    __slots__ = ("_origins", "_sealer")

    insert: Final = INSERT_ROWS

    def __init__(self, sealer: Sealer, *, link_origins: Iterable[str] = ()) -> None:
        self._sealer = sealer
        self._origins = frozenset(filter(None, map(_origin, link_origins)))

    def check_organization(self, request: EmailRequest | SmsRequest) -> None:
        """Let an organization ask for what speaks in its own name, and leads to known sites.

        Raises:
            ReservedError: The message speaks for the platform, or leads elsewhere.
        """
        message = request.message
        if message.speaks_for != "organization":
            kinds = _open_kinds[type(request)]
            raise ReservedError("message.kind", f"is sent by the platform itself; what may be sent here is {kinds}")
        link = getattr(message, "link", None)
        if link is not None and _origin(link) not in self._origins:
            raise ReservedError(
                "message.link",
                "must lead to an address of the platform; its operator can list others in MESSAGE_LINK_ORIGINS",
            )

    def prepare(
        self, request: EmailRequest | SmsRequest, *, job_id: UUID, organization_id: UUID, correlation_id: str | None
    ) -> tuple[SendEmail | SendSms, MessageRow]:
        """Return the job to store, which names the message, and the message row itself.

        Raises:
            IntakeError: A name has nothing that can be seen. Asked here and not by the models, so that people whose
                accounts got such a name before it was refused can still be written to.
        """
        _check_names(request)
        row = row_for(
            request,
            sealer=self._sealer,
            job_id=job_id,
            organization_id=organization_id,
            correlation_id=correlation_id,
        )
        return (SendEmail(row.id) if type(request) is EmailRequest else SendSms(row.id)), row


def _origin(link: str) -> str | None:
    """Scheme, host and port as browsers compare them; None for what they might read in another way."""
    if any(character in link for character in "\\@") or not link.isprintable() or not link.isascii():
        return None
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return None
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    if usual is None or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}:{usual if port is None else port}"


def _check_names(request: EmailRequest | SmsRequest) -> None:
    if type(request) is EmailRequest and request.to.name is not None and not has_visible(request.to.name):
        raise IntakeError("to.name", VISIBLE_RULE, code="malformed")
    message = request.message
    for name in _names[type(message)]:
        value = getattr(message, name)
        if value is not None and not has_visible(value):
            raise IntakeError(f"message.{name}", VISIBLE_RULE, code="malformed")
