"""What all HTTP providers share: timeouts, trace headers, and which failure means what."""

import asyncio
import zlib
from collections.abc import Callable, Generator, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

import httpx
import msgspec

from singr_comms._errors import (
    AccountRefusedError,
    PermanentSendError,
    SendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms._masking import scrub
from singr_comms.channels._channel import LONGEST_CALL
from singr_comms.providers._account_words import names_our_account, without_addresses
from singr_config import Secret
from singr_config.clock import clock

TraceHeaders = Callable[[], Mapping[str, str]]
"""Gives the headers that tie a provider call to the request behind it (`x-request-id`, `traceparent`)."""

_TIMEOUT: Final = httpx.Timeout(connect=5.0, read=LONGEST_CALL, write=10.0, pool=5.0)
# Whatever a provider asks for: by then whoever waits for the message wants to know, and the provider may be well.
_LONGEST_WAIT: Final = 3600.0
# What these mean for certain: no byte of the request left.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_MISCONFIGURED: Final = (httpx.InvalidURL, httpx.UnsupportedProtocol)
# A header, such as one with a credential in it, that HTTP has no way to write.
_UNWRITABLE: Final = (httpx.LocalProtocolError, UnicodeEncodeError)
# A provider has a few, but for those with an id in them.
_ADDRESSES: Final = 16
_NO_AUTH: Final = httpx.Auth()
_OK: Final = range(200, 300)
_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400
_TOO_MANY: Final = 429
# The provider (or what stands before it) says that it did not take the request, and that this passes.
_NOT_TAKEN: Final = frozenset({408, 425, 503})
# Key, payment, permission, address and version of the API, and networks that want a sign-in or are barred from it:
# about us; no message could do better. What sends us elsewhere (3xx) says that our address is wrong, whatever its body.
_ABOUT_US: Final = frozenset({401, 402, 403, 404, 405, 407, 410, 426, 451, 511})
_ELSEWHERE: Final = range(300, 400)
_BAD_REQUEST: Final = 400
LONGEST_ANSWER: Final = 65_536
"""Bytes that are read of an answer, decompressed. No provider needs a hundredth of it to say what came of one call."""
LONGEST_LIST: Final = 2_097_152
"""Bytes that are read of a list of messages: a hundred of the longest texts, each letter escaped."""
_INFLATE: Final = {"gzip": 31, "x-gzip": 31, "deflate": 47}  # zlib's window bits: gzip; zlib or gzip by its first bytes


Auth = httpx.Auth | tuple[str, str] | None
"""How a call shows who asks: see `HttpCaller.post`."""


class Answer(msgspec.Struct, frozen=True):
    """What came back.

    Args:
        status: HTTP status.
        body: the decoded JSON object; empty when the body was no JSON object.
        retry_after: seconds, from `Retry-After`; None without one.
        readable: whether the body was a JSON object, as providers write it and what stands before them does not.
    """

    status: int
    body: dict[str, Any]
    retry_after: float | None
    readable: bool = True

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.status in _OK

    @property
    def about_us(self) -> bool:
        """Whether the status, without any code of the provider's, speaks of our account, address or network."""
        return self.status in _ABOUT_US or (self.status == _BAD_REQUEST and not self.readable)


class Bearer(httpx.Auth):
    """Shows a bearer token (RFC 6750), for `auth=` of `HttpCaller.post`; what it holds prints as `***`."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the token into the request."""
        request.headers["authorization"] = f"Bearer {self._token.reveal()}"
        yield request


class HttpCaller:
    """Posts to one provider and sorts what goes wrong on the way.

    Args:
        http: the application's client. Its headers go along, as they are when this is made; its own timeouts are not
            used, and no cookies are sent: neither those that a provider sets nor those that the client holds for all.
        provider: the provider's name, for error messages.
        trace_headers: called for each request; None sends no trace headers.
        deadline: seconds a whole call may take, whatever the single steps take.
        timeout: timeouts of the single steps.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        provider: str,
        trace_headers: TraceHeaders | None = None,
        deadline: float = LONGEST_CALL,
        timeout: httpx.Timeout = _TIMEOUT,
    ) -> None:
        self._http = http
        self._provider = provider
        self._trace_headers = trace_headers
        self._deadline = deadline
        self._timeout = timeout.as_dict()
        self._usual = dict(http.headers)
        self._address = lru_cache(maxsize=_ADDRESSES)(httpx.URL)

    async def post(
        self,
        url: str,
        *,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; answers of every status are returned, see `refusal`.

        Args:
            url: where to.
            auth: user and password for HTTP Basic, a `Bearer` token, any other `httpx.Auth`, or None for none.
            headers: the provider's own, such as an idempotency key; they go before the ones that are set here.
            json: the body, sent as JSON.
            form: the body, sent as a form.

        Raises:
            TransientError: the request certainly never left.
            UnknownOutcomeError: it left, wholly or in part, and no answer came, or none that ends.
            AccountRefusedError: the provider's address is no HTTP address (`bad_address`), or a header or a
                credential holds what no header may hold (`bad_header`): nothing can be sent until that is mended.
        """
        body: dict[str, Any] = {"data": form}
        if json is not None:
            body = {"content": msgspec.json.encode(json)}
            headers = {"content-type": "application/json", **_lower(headers)}
        return await self._exchange("POST", url, auth=auth, headers=headers, limit=LONGEST_ANSWER, **body)

    async def delete(self, url: str, *, auth: Auth = None) -> Answer:
        """Take something away; arguments, answers and errors as of `post`."""
        return await self._exchange("DELETE", url, auth=auth, headers=None, limit=LONGEST_ANSWER)

    async def ask(
        self,
        url: str,
        *,
        auth: Auth = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        name: Callable[[Answer], str | None] | None = None,
    ) -> dict[str, Any]:
        """Read something, such as a list of what was sent; give the JSON object of a 2xx.

        Args:
            url: where to.
            auth: see `post`.
            headers: see `post`.
            params: the query.
            name: gives the code of an answer whose status alone says too little; None leaves it to that.

        Raises:
            TransientError: there is no such answer now. Asking changes nothing, so it can be repeated. Its kinds
                `AccountRefusedError` and `TooManyRequestsError` say why, as for `post`.
        """
        try:
            answer = await self._exchange("GET", url, auth=auth, headers=headers, params=params, limit=LONGEST_LIST)
            if answer.ok and answer.readable:
                return answer.body
            code = (name and name(answer)) or f"{self._provider}_http_{answer.status}"
            refused = self.refusal(answer, code=code, message="asked what was sent")
        except SendError as error:
            refused = error
        if isinstance(refused, TransientError):
            raise refused
        raise TransientError(refused.code, refused.message)

    async def _exchange(
        self,
        method: str,
        url: str,
        *,
        auth: Auth,
        headers: Mapping[str, str] | None,
        limit: int,
        **content: Any,
    ) -> Answer:
        # Nothing is asked for compressed: what unpacks to a thousand times its size does not come by request.
        sent = {
            **self._usual,
            "accept": "application/json",
            "accept-encoding": "identity",
            **_lower(self._trace_headers() if self._trace_headers else None),
            **_lower(headers),
        }
        progress = _Progress()
        try:
            # Not by the client's own building, which reads the address and merges headers and cookies anew each time.
            request = httpx.Request(
                method,
                self._address(url),
                headers=sent,
                extensions={"timeout": self._timeout, "trace": progress.note},
                **content,
            )
            shown = auth if auth is not None else _NO_AUTH
            async with asyncio.timeout(self._deadline):
                response = await self._http.send(request, auth=shown, stream=True, follow_redirects=False)
                try:
                    body = await read_bounded(response, limit)
                finally:
                    await response.aclose()
        except _MISCONFIGURED as error:
            raise AccountRefusedError("bad_address", f"{self._provider}: {type(error).__name__}") from error
        except _UNWRITABLE:
            # From None: the error itself names the value, which may be a secret.
            raise AccountRefusedError("bad_header", f"{self._provider}: a header cannot be written") from None
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            raise self._unanswered(error, progress) from error
        if body is None:
            raise self._endless(response.status_code, limit)
        fields = _json_object(body)
        return Answer(response.status_code, fields or {}, retry_after(response.headers), readable=fields is not None)

    def refusal(
        self, answer: Answer, *, code: str, message: str, about_us: bool | None = None, only_some: bool = False
    ) -> SendError:
        """Sort an answer that is not 2xx.

        Args:
            answer: the answer.
            code: the provider's own error code, such as `twilio_21211`.
            message: the provider's own words; scrubbed here.
            about_us: whether its code speaks of our account (True) or of the message and its recipient (False); None
                where the code tells nothing, so that the words and the status decide.
            only_some: where it is about us: whether the account is open to other recipients.
        """
        words = f"{self._provider} answered {answer.status}: {scrub(message) or 'no reason given'}"
        if about_us is None:
            about_us = answer.about_us or names_our_account(without_addresses(message)) or None
        if about_us or answer.status in _ELSEWHERE:
            of_message = not (answer.about_us or answer.status in _ELSEWHERE)
            return AccountRefusedError(
                code, words, retry_after=answer.retry_after, only_some=only_some, of_message=of_message
            )
        if answer.status == _TOO_MANY:
            return TooManyRequestsError(code, words, retry_after=answer.retry_after)
        if answer.status in _NOT_TAKEN:
            return TransientError(code, words, retry_after=answer.retry_after)
        if answer.status >= _SERVER_ERROR:
            # 500 may break out after the message was taken; with 502 and 504 a gateway lost the provider's answer.
            return UnknownOutcomeError(code, words)
        return PermanentSendError(code, words, doubtful=about_us is None)

    def _endless(self, status: int, limit: int) -> SendError:
        words = f"{self._provider} answered {status} with more than {limit} bytes, or with unreadable ones"
        if _CLIENT_ERROR <= status < _SERVER_ERROR or status in _NOT_TAKEN:
            return TransientError("endless_answer", words)
        return UnknownOutcomeError("endless_answer", words, foreign=status in _OK)

    def _unanswered(self, error: Exception, progress: "_Progress") -> SendError:
        timed_out = isinstance(error, httpx.TimeoutException | TimeoutError)
        code = "timeout" if timed_out else "connection"
        if isinstance(error, _NEVER_SENT) or (progress.seen and not progress.sending):
            words = "no connection in time" if timed_out else "the connection failed"
            return TransientError(code, f"{self._provider}: {words} before the request was sent", waits=True)
        words = "no answer in time" if timed_out else "the connection was lost"
        return UnknownOutcomeError(
            code, f"{self._provider}: {words} after the request was sent: it may have been taken"
        )


class _Progress:
    """Follows a request through the transport, to know whether any of it left when something breaks."""

    __slots__ = ("seen", "sending")

    def __init__(self) -> None:
        self.seen = False
        self.sending = False

    async def note(self, event: str, _details: Mapping[str, object]) -> None:
        self.seen = True
        if event.endswith("send_request_headers.started"):
            self.sending = True


async def read_bounded(response: httpx.Response, limit: int = LONGEST_ANSWER) -> bytes | None:
    """The body of an answer, decompressed; None where it is longer than `limit`, or packed in an unknown way.

    Never holds more than `limit` bytes and one piece of the network's, however much the body would unpack to.
    """
    if response.is_stream_consumed:  # by its transport
        return response.content if len(response.content) <= limit else None
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in _INFLATE and packing not in {"", "identity"}:
        return None
    inflate = zlib.decompressobj(_INFLATE[packing]) if packing in _INFLATE else None
    body = b""
    try:
        async for piece in response.aiter_raw(chunk_size=limit):
            body += inflate.decompress(piece, limit + 1 - len(body)) if inflate else piece
            if len(body) > limit or (inflate and inflate.unconsumed_tail):
                return None
            if inflate and inflate.eof:
                break
    except zlib.error:
        return None
    return body


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait as `Retry-After` says (RFC 9110 10.2.3: seconds or a date); at most an hour.

    Returns:
        None when there is none or it cannot be read.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(value).timestamp() - (clock.time() if now is None else now)
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        return None
