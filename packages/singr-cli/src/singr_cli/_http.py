"""Requests to the API, each repeated only where that is safe."""

import random
import sys
import time
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from singr_cli._clean import clean
from singr_cli._errors import SERVER_ERRORS, CliError, Code, refusal
from singr_cli._profiles import Profile

if TYPE_CHECKING:
    import httpx

TRIES: Final = 4
# Seconds for an answer, all tries together, where none are told: whoever reads asks again, whoever changes waits.
_READS_FOR: Final = 15.0
_CHANGES_FOR: Final = 30.0
_LATER: Final = frozenset({429, 502, 503, 504})
_LONGEST_WAIT: Final = 30.0
_SHORTEST: Final = 1.0
_LARGEST_PAGE: Final = 100
_SAFE: Final = frozenset({"GET", "POST"})
_CONFLICT: Final = 409
_TOO_MANY: Final = 429
_MOST_READ: Final = 32 * 1024 * 1024
_REDIRECTS: Final = 300  # none is followed: a credential goes to the address that it was given for


class Api:
    """The API of a profile, until it is closed.

    Args:
        timeout: seconds for one answer, all tries together; 15 where none are told, and 30 of what changes something.

    Attributes:
        deadline: by the monotonic clock, when nothing is waited for any more; who asks then is answered at once or not.
    """

    def __init__(self, profile: Profile, *, timeout: float | None = None) -> None:
        import httpx  # noqa: PLC0415 — half of the time of a start, and help needs none of it

        self.profile = profile
        self.deadline: float | None = None
        self._errors = httpx
        self._timeout = timeout
        auth = _signer(profile) if profile.key_id else None
        try:
            self.http = httpx.Client(
                base_url=profile.url,
                auth=auth,
                # Not compressed: a small answer could be made to fill the memory.
                headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "singr-cli"},
                timeout=timeout or _CHANGES_FOR,
                # no proxy between a machine and itself; for others, as the environment says (certificates, too)
                trust_env=not profile.is_local,
            )
        except (OSError, ValueError, ImportError) as error:
            raise CliError(
                Code.USAGE,
                "What the environment says of certificates (SSL_CERT_FILE, SSL_CERT_DIR) or of proxies (HTTPS_PROXY,"
                f" ALL_PROXY) cannot be used: {clean(_reason(error))}.",
            ) from None
        if profile.api_key:
            self.http.headers["x-api-key"] = profile.api_key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def call(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None, key: str = ""
    ) -> Any:
        """Return what the API answers; None where that is nothing.

        The error names the Idempotency-Key, if there is one, where what it stands for may have been done.

        Raises:
            CliError: it refuses, cannot be reached, or answers what is no answer of Singr's API.
        """
        answer, unknown = self._repeated(method, path, query=query, body=body, key=key)
        if not answer.content and answer.status_code < _REDIRECTS:
            return None
        try:
            document = answer.json()
        except ValueError:
            document = None
        except RecursionError:
            raise _doubtful(self._strange("JSON that is nested too deep"), key) from None
        if answer.status_code >= _REDIRECTS or document is None:
            error = refusal(answer.status_code, document)
            if answer.status_code < _REDIRECTS:
                raise _doubtful(error, key)
            raise CliError(error.code, f"{error.message}\n{_outlook(method, key)}") if unknown else error
        return document

    def send(self, method: str, path: str, *, query: Mapping[str, Any] | None = None) -> "httpx.Response":
        """Return the answer, whatever it is, to a request that needs no Idempotency-Key.

        Raises:
            CliError: nobody answers, or more than 32 MiB.
        """
        return self._repeated(method, path, query=query, body=None, key="")[0]

    def _repeated(
        self, method: str, path: str, *, query: Mapping[str, Any] | None, body: Any, key: str
    ) -> "tuple[httpx.Response, bool]":
        """Ask until it is answered, and not told to come later; return the answer, and whether it may leave a doubt.

        A GET is safe to repeat; so is a POST, whose Idempotency-Key stays the same, or which only asks. Anything else
        is sent again only where nobody was there to take it. What one try did not hear may have been done by it,
        whatever a later one is answered.
        """
        safe, headers, unknown = method in _SAFE, {"idempotency-key": key} if key else {}, False
        until = time.monotonic() + (self._timeout or (_READS_FOR if method == "GET" else _CHANGES_FOR))
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._ask(
                    method, path, params=query or None, json=body, headers=headers, timeout=self._patience(until)
                )
            except KeyboardInterrupt:
                if key:
                    print(_outlook(method, key), file=sys.stderr)  # noqa: T201 — a command line speaks
                raise
            except self._errors.RequestError as error:
                unsent = isinstance(error, self._errors.ConnectError | self._errors.ConnectTimeout)
                unknown = unknown or not unsent
                if attempt == TRIES or not (safe or unsent) or self._is_over(until):
                    raise self._unreachable(error, _outlook(method, key) if unknown else "") from None
                wait = 0.0
            except CliError as error:
                raise _doubtful(error, key) from None
            else:
                told = answer.headers.get("retry-after", "")
                running = answer.status_code == _CONFLICT and bool(told)
                unknown = unknown or running or answer.status_code >= SERVER_ERRORS
                wait = float(told) if told.isascii() and told.isdigit() else 0.0
                later = running or answer.status_code in _LATER
                if answer.status_code == _TOO_MANY:
                    until += wait  # it answers, and says when
                is_over = self._is_over(until, wait)
                if not (later and safe) or attempt == TRIES or wait > _LONGEST_WAIT or is_over:
                    return answer, unknown
            time.sleep(max(wait, 0.1 * 2**attempt * random.uniform(0.5, 1)))  # noqa: S311 — spreads, and guards nothing
        raise AssertionError("unreachable")

    def _patience(self, until: float) -> float:
        """Return the seconds for one try: what is left of the time, and so much that an answer may come."""
        left = max(self._end(until) - time.monotonic(), _SHORTEST)
        return left if self._timeout is None else min(self._timeout, left)

    def _is_over(self, until: float, wait: float = 0.0) -> bool:
        return time.monotonic() + wait >= self._end(until)

    def _end(self, until: float) -> float:
        return until if self.deadline is None else min(until, self.deadline)

    def _ask(self, method: str, path: str, **more: Any) -> "httpx.Response":
        answer = self.http.send(self.http.build_request(method, path, **more), stream=True)
        try:
            if answer.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
                raise self._strange("what is compressed, though it was asked not to")
            read = bytearray()
            for chunk in answer.iter_raw():
                read += chunk
                if len(read) > _MOST_READ:
                    raise self._strange("more than 32 MiB: ask for less with --limit")
        finally:
            answer.close()
        return self._errors.Response(
            answer.status_code, headers=answer.headers, content=bytes(read), request=answer.request
        )

    def pages(self, path: str, query: Mapping[str, Any], *, most: int | None) -> Iterator[dict[str, Any]]:
        """Return the items of a list, page after page, up to `most`.

        Raises:
            CliError: as `call`, or a page leads to one that was there before.
        """
        left, cursor, seen = most, None, set[str]()
        while left is None or left > 0:
            size = _LARGEST_PAGE if left is None else min(left, _LARGEST_PAGE)
            page = self.call("GET", path, query={**query, "limit": size, **({"cursor": cursor} if cursor else {})})
            yield from _items(page)
            left = None if left is None else left - len(page["items"])
            cursor = page.get("next_cursor")
            if cursor is None:
                return
            if not isinstance(cursor, str) or not cursor or cursor in seen:
                raise self._strange("pages that lead nowhere, or in a circle")
            seen.add(cursor)

    def whole(self, path: str, query: Mapping[str, Any], *, most: int | None) -> Iterator[dict[str, Any]]:
        """Return the items of a list that comes at once, up to `most`."""
        yield from _items(self.call("GET", path, query=query))[:most]

    def _strange(self, what: str) -> CliError:
        return CliError(Code.UNAVAILABLE, f"{self.profile.url} answers {what}. Is it Singr's API?")

    def _unreachable(self, error: "httpx.RequestError", outlook: str) -> CliError:
        """Return that nobody answers; with an outlook, somebody may have heard."""
        why = "not in time" if isinstance(error, self._errors.TimeoutException) else _reason(error)
        said = f"{self.profile.url} {'did not answer' if outlook else 'cannot be reached'}: {why}."
        return CliError(Code.UNAVAILABLE, f"{said} `singr doctor` looks closer.\n{outlook}".rstrip())


def new_key() -> str:
    """Return an Idempotency-Key that nobody else uses."""
    return f"singr-cli-{uuid4().hex}"


def _doubtful(error: CliError, key: str) -> CliError:
    """Return what is wrong with an answer; what it is the answer to was done, if this is the API."""
    return CliError(error.code, f"{error.message}\n{_outlook('POST', key)}") if key else error


def _outlook(method: str, key: str) -> str:
    """Return what to do where nobody knows whether it was done."""
    if key:
        told = f"--idempotency-key {quote(key)}"
        return f"It may have been done; to ask again without doing it twice: {told}"
    return "Try again." if method in _SAFE else "It may have been done: look before you ask again."


def _items(page: Any) -> list[dict[str, Any]]:
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise refusal(200, None)
    found: list[dict[str, Any]] = page["items"]
    return found


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _signer(profile: Profile) -> "httpx.Auth":
    try:
        from singr_auth import SignedRequestAuth, SigningKey  # noqa: PLC0415 — only signing credentials need it
        from singr_config import Secret  # noqa: PLC0415 — likewise
    except ImportError:
        raise CliError(Code.USAGE, "A signing credential needs more: install singr-cli[signing].") from None
    try:
        return SignedRequestAuth(SigningKey(profile.key_id, Secret(profile.secret)))
    except ValueError as error:
        raise CliError(Code.USAGE, str(error)) from None
