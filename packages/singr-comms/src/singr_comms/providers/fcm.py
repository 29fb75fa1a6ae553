"""Pushes through Firebase Cloud Messaging, HTTP v1 (https://firebase.google.com/docs/reference/fcm/rest/v1)."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from singr_comms._errors import (
    CommsError,
    InvalidMessageError,
    PermanentSendError,
    SendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms._masking import scrub
from singr_comms.channels._channel import LONGEST_CALL, SendReceipt
from singr_comms.channels.push import PushEnvelope, check_push, render_push
from singr_comms.models._message import Message, kind_of
from singr_comms.providers._http import Answer, Bearer, HttpCaller, TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_config import BrandSettings, Secret
from singr_config.clock import clock

_NAME: Final = "fcm"
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_DEADLINE: Final = 6.0
_TOKEN_LIVES: Final = 55 * 60.0  # of the hour that Google gives it
_ASSERTION_LIVES: Final = 3600
_LARGEST: Final = 4096
_LONGEST_LIFE: Final = 28 * 86_400  # as long as FCM keeps what it cannot deliver
_QUOTA_WAIT: Final = 60.0
_UNAUTHORIZED: Final = 401
_UNANSWERED: Final = frozenset({"connection", "timeout"})
_OF_US: Final = range(400, 404)
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Of FCM's own topics: https://firebase.google.com/docs/reference/fcm/fcmtopics/rest/v1/projects.registrations.topicSubscriptions
_OWN_TOPIC: Final = re.compile(r"[a-zA-Z0-9_.~%-]{1,900}")
_DEVICE: Final = re.compile(r"[A-Za-z0-9_:-]{8,1024}")
_ALREADY_THERE: Final = "ALREADY_EXISTS"
_NOT_THERE: Final = "NOT_FOUND"
_ANY_DEVICE: Final = "in-a-topic"  # stands for all of them while a message is checked
_TOKEN_FIELD: Final = "message.token"  # noqa: S105 - a field's name
# Of our project, and only where Apple's or a browser's service delivers: Android has no part in it.
_ONLY_SOME: Final = "THIRD_PARTY_AUTH_ERROR"
# Whether a code speaks of our project and its keys (True), or of this device and message (False).
_ABOUT_US: Final[Mapping[str, bool]] = MappingProxyType(
    {
        _ONLY_SOME: True,
        "UNREGISTERED": False,
        "SENDER_ID_MISMATCH": False,
        "INVALID_ARGUMENT": False,
    }
)
INVALID_TOKEN: Final = "INVALID_TOKEN"  # noqa: S105 - an error's name
"""Our name for `INVALID_ARGUMENT` where it is the token that is invalid."""
DEAD_TOKENS: Final = frozenset({f"{_NAME}_{code}" for code in ("UNREGISTERED", "SENDER_ID_MISMATCH", INVALID_TOKEN)})
"""Codes of errors after which this token is of no more use."""


class FcmProvider:
    """Sends pushes through Firebase to iOS, Android and web. A copy of a message replaces the first on the device.

    Needs the extra `push`.

    Args:
        http: the application's HTTP client.
        project_id: the Firebase project.
        client_email: its service account, which may send messages.
        private_key: the service account's key, PEM.
        base_url: where FCM is.
        token_url: where access tokens come from.
        brand: whose messages they are.
        trace_headers: see `HttpCaller`.
        deadline: seconds that the call to FCM may take; six more go to an access token, once in 55 minutes.

    Raises:
        CommsError: the private key cannot be read, or the extra `push` is not installed.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        project_id: str,
        client_email: str,
        private_key: Secret,
        base_url: str = "https://fcm.googleapis.com",
        token_url: str = "https://oauth2.googleapis.com/token",  # noqa: S107 - an address
        brand: BrandSettings = DEFAULT_BRAND,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL - _TOKEN_DEADLINE,
    ) -> None:
        self._caller = HttpCaller(http, provider=_NAME, trace_headers=trace_headers, deadline=deadline)
        self._tokens = _AccessTokens(http, client_email, private_key, token_url)
        self._brand = brand
        self._project = f"{base_url.rstrip('/')}/v1/projects/{project_id}"
        self._url = f"{self._project}/messages:send"

    @property
    def name(self) -> str:
        """`fcm`."""
        return _NAME

    @property
    def takes_idempotency_key(self) -> bool:
        """A copy replaces the first on the device: nobody sees it twice."""
        return True

    async def send(self, envelope: PushEnvelope) -> SendReceipt:
        """Send one push; the receipt's id is FCM's. Raises as `PushProvider` says."""
        return await self._send(compose(check_push(envelope), self._brand))

    async def _send(self, message: dict[str, Any]) -> SendReceipt:
        token = await self._tokens.current()
        answer = await self._caller.post(self._url, auth=Bearer(token), json={"message": message})
        if not answer.ok:
            if answer.status == _UNAUTHORIZED:
                self._tokens.forget(token)
            raise self._refused(answer)
        name = answer.body.get("name")
        if not isinstance(name, str) or not name:
            raise UnknownOutcomeError("unreadable_answer", "fcm answered 2xx without a name", foreign=True)
        return SendReceipt(_NAME, name.rpartition("/")[2])

    async def subscribe(self, device: str, topic: str) -> None:
        """Let a device get what is published to a topic of FCM's own; once more is as once.

        FCM keeps who subscribed: no limit of ours holds for what is published, and no log of ours names its readers.

        Args:
            device: registration token.
            topic: 1 to 900 letters, digits and `-_.~%`.

        Raises:
            InvalidMessageError: the device or the topic is none.
            PermanentSendError: the token is of no more use; see `DEAD_TOKENS`.
            TransientError: it is not known to be subscribed; ask again.
        """
        address = f"{self._subscriptions(device)}?topicName={_quoted(topic)}"
        await self._change(lambda auth: self._caller.post(address, auth=auth, json={}), done=_ALREADY_THERE)

    async def unsubscribe(self, device: str, topic: str) -> None:
        """Take a device out of a topic, where it is in it; as `subscribe`."""
        address = f"{self._subscriptions(device)}/{_quoted(topic)}"
        await self._change(lambda auth: self._caller.delete(address, auth=auth), done=_NOT_THERE)

    async def publish(self, topic: str, message: Message, *, idempotency_token: str) -> SendReceipt:
        """Send one push to all devices in a topic of FCM's own; raises as `send`, and where the topic is none."""
        _quoted(topic)
        envelope = PushEnvelope(to=_ANY_DEVICE, message=message, idempotency_token=idempotency_token)
        composed = compose(check_push(envelope), self._brand)
        del composed["token"]
        return await self._send({"topic": topic, **composed})

    def _subscriptions(self, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise InvalidMessageError("device", "must be a Firebase registration token")
        return f"{self._project}/registrations/{quote(device, safe='')}/topicSubscriptions"

    async def _change(self, change: Callable[[Bearer], Awaitable[Answer]], *, done: str) -> None:
        token = await self._tokens.current()
        try:
            answer = await change(Bearer(token))
            if answer.ok or (_fields(answer).get("status") == done and _error_code(_fields(answer)) is None):
                return
            if answer.status == _UNAUTHORIZED:
                self._tokens.forget(token)
            raise self._refused(answer)
        except UnknownOutcomeError as error:  # twice is as once
            raise TransientError(error.code, error.message) from error

    def _refused(self, answer: Answer) -> SendError:
        fields = _fields(answer)
        code, said = _error_code(fields), str(fields.get("message", ""))
        named = f"{_NAME}_{code}" if code else f"{_NAME}_http_{answer.status}"
        if code == "QUOTA_EXCEEDED":
            wait = _QUOTA_WAIT if answer.retry_after is None else answer.retry_after
            return TooManyRequestsError(named, f"fcm answered {answer.status}: {scrub(said)}", retry_after=wait)
        ours = _ABOUT_US.get(code or "")
        return self._caller.refusal(answer, code=named, message=said, about_us=ours, only_some=code == _ONLY_SOME)


def compose(envelope: PushEnvelope, brand: BrandSettings = DEFAULT_BRAND) -> dict[str, Any]:
    """Write the message as FCM takes it: what is shown, where a tap leads, by what a copy replaces it, and until when.

    Raises:
        InvalidMessageError: a variable breaks its model.
        PermanentSendError: it has more than 4,096 bytes.
    """
    rendered = render_push(envelope.message, envelope.brand or brand, envelope.locale)
    key = envelope.idempotency_token
    data = {"kind": kind_of(envelope.message), "message_id": key}
    # A topic replaces what still waits at the push service, a tag what is shown; title and text stay those of all.
    webpush: dict[str, Any] = {"headers": {"Topic": _topic(key)}, "notification": {"tag": key}}
    if rendered.link is not None:
        data["link"] = rendered.link
        if rendered.link.startswith("https://"):  # FCM takes no other
            webpush["fcm_options"] = {"link": rendered.link}
    # By these a copy replaces the first.
    android: dict[str, Any] = {"notification": {"tag": key}}
    apns = {"apns-collapse-id": key}
    if envelope.time_to_live is not None:  # a device that is off gets nothing any more that is of no use
        seconds = min(envelope.time_to_live, _LONGEST_LIFE)
        android["ttl"], webpush["headers"]["TTL"] = f"{seconds}s", str(seconds)
        apns["apns-expiration"] = str(int(clock.time()) + seconds)
    message = {
        "notification": {"title": rendered.title, "body": rendered.body},
        "data": data,
        "android": android,
        "apns": {"headers": apns},
        "webpush": webpush,
    }
    if len(msgspec.json.encode(message)) > _LARGEST:
        raise PermanentSendError("too_large", f"a push has at most {_LARGEST} bytes: shorten its title or text")
    return {"token": envelope.to, **message}


def _error_code(error: Mapping[str, Any]) -> str | None:
    """FCM's own code, from the details; the status of the API alone says less."""
    details = [one for one in error.get("details") or () if isinstance(one, dict)]
    code = next((one["errorCode"] for one in details if isinstance(one.get("errorCode"), str)), None)
    violations = [each for one in details for each in one.get("fieldViolations") or () if isinstance(each, dict)]
    if any(each.get("field") == _TOKEN_FIELD for each in violations):
        return INVALID_TOKEN
    status = error.get("status")
    return code or ("INVALID_ARGUMENT" if status == "INVALID_ARGUMENT" else None)


def _fields(answer: Answer) -> dict[str, Any]:
    error = answer.body.get("error")
    return error if isinstance(error, dict) else {}


def _quoted(topic: str) -> str:
    if not _OWN_TOPIC.fullmatch(topic):
        raise InvalidMessageError("topic", "must be 1 to 900 letters, digits and -_.~%")
    return quote(topic, safe="")


def _topic(key: str) -> str:
    """A Web Push topic (RFC 8030 5.4: 32 characters of base64url): the key itself where it is one."""
    if _TOPIC.fullmatch(key):
        return key
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()[:24]).decode()


class _AccessTokens:
    """OAuth access tokens of a service account (RFC 7523), one for all calls of 55 minutes."""

    def __init__(self, http: httpx.AsyncClient, client_email: str, private_key: Secret, url: str) -> None:
        self._caller = HttpCaller(http, provider=_NAME, deadline=_TOKEN_DEADLINE)
        self._email = client_email
        self._url = url
        self._sign = _signer(private_key)
        self._token: Secret | None = None
        self._until = 0.0
        self._asking: asyncio.Task[Secret] | None = None

    async def current(self) -> Secret:
        """A token that is good for some minutes yet; whoever comes while one is asked for waits for that one.

        Raises:
            TransientError: there is none now.
            AccountRefusedError: the key was revoked, or the account may not send.
        """
        if self._token is not None and clock.time() < self._until:
            return self._token
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever waits is told
        return await asyncio.shield(self._asking)

    def forget(self, token: Secret) -> None:
        """Ask for another one next time, unless there is another one already."""
        if self._token is token:
            self._token = None

    async def _ask(self) -> Secret:
        now = int(clock.time())
        claims = {"iss": self._email, "scope": _SCOPE, "aud": self._url, "iat": now, "exp": now + _ASSERTION_LIVES}
        try:
            answer = await self._caller.post(self._url, form={"grant_type": _GRANT, "assertion": self._sign(claims)})
            token = answer.body.get("access_token")
            if not answer.ok or not isinstance(token, str) or not token:
                raise self._refused(answer)
        except UnknownOutcomeError as error:  # of asking for a token, not of a message
            raise TransientError(error.code, error.message, waits=error.code in _UNANSWERED) from error
        self._token, self._until = Secret(token), now + _TOKEN_LIVES
        return self._token

    def _refused(self, answer: Answer) -> SendError:
        if answer.ok:
            return TransientError("unreadable_answer", "the answer to the question for an access token has none")
        name, said = answer.body.get("error"), str(answer.body.get("error_description", ""))
        code = f"{_NAME}_{name}" if isinstance(name, str) and name else f"{_NAME}_token_http_{answer.status}"
        return self._caller.refusal(answer, code=code, message=said, about_us=answer.status in _OF_US or None)


def _signer(private_key: Secret) -> Any:
    try:
        from google.auth import crypt, jwt  # noqa: PLC0415 - of an extra that not everybody has
    except ModuleNotFoundError:
        raise CommsError('pushes through Firebase need more: pip install "singr-comms[push]"') from None
    try:
        signer = crypt.RSASigner.from_string(private_key.reveal())  # type: ignore[no-untyped-call] # theirs
    except (ValueError, TypeError):
        # From None: the error may show a part of the key.
        raise CommsError("FIREBASE_PRIVATE_KEY is no RSA key in PEM form: -----BEGIN PRIVATE KEY-----…") from None
    return lambda claims: jwt.encode(signer, claims).decode()  # type: ignore[no-untyped-call] # theirs


def _build(given: Given) -> FcmProvider:
    firebase = given.settings.firebase
    return FcmProvider(
        given.http,
        project_id=firebase.project_id,
        client_email=firebase.client_email,
        private_key=firebase.private_key,
        base_url=firebase.base_url,
        token_url=firebase.token_url,
        trace_headers=given.trace_headers,
        brand=given.brand,
    )


PROVIDER: Final = ProviderType(_NAME, "push", _build)
