"""The suite itself: one test for each property; a failure says what to do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

import httpx

from singr_comms._errors import (
    AccountRefusedError,
    CommsError,
    PermanentSendError,
    SendError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.channels._channel import LooksUp, SendReceipt
from singr_comms.conformance._peer import Misbehaviour, Peer, Reply, Request
from singr_comms.conformance._reading import difference, forms, names, says
from singr_comms.conformance._samples import CANARY, envelope, of_somebody_else
from singr_config.clock import clock

_PATIENT: Final = 20.0
_IMPATIENT: Final = 1.0
_TOKEN: Final = "conformance-token-7f3a"  # noqa: S105 - an idempotency token
_ANOTHER: Final = "conformance-token-0e51"
_UNREADABLE: Final = (b"", b"OK", b"<html>", b"[]", b"\xff\xfe", b"{", b'"x"')
_READ_AT_MOST: Final = 5_000_000


class HttpProviderSuite:
    """Subclass it in a test module, with a name that begins with `Test`.

    Attributes:
        channel: what it delivers: `email`, `sms` or `push`; for another channel replace `envelope` too.
        secrets: what it is built with and must never show.
        per_try: headers and parameters of the query, in lower case, that differ from try to try because the service
            says so, such as the time of a signature. Those of tracing, and `Authorization`, may differ anyway.
    """

    channel: ClassVar[str]
    secrets: ClassVar[tuple[str, ...]] = ()
    per_try: ClassVar[tuple[str, ...]] = ()

    # --- what a provider says of itself -----------------------------------------------------------------------------

    def build(self, url: str, http: httpx.AsyncClient, deadline: float) -> Any:
        """Build the provider, talking to `url`, giving up on a call after `deadline` seconds."""
        raise NotImplementedError("write build(self, url, http, deadline): how the provider is built")

    def taken(self, request: Request) -> Reply:
        """Answer as the service does when it takes a message."""
        raise NotImplementedError("write taken(self, request): how the service answers when it takes a message")

    def refused(self, request: Request) -> Reply:
        """Answer as the service does when it will never take a message to this recipient."""
        raise NotImplementedError(
            "write refused(self, request): how the service answers for a recipient that it will never serve"
        )

    def account_refused(self, _request: Request) -> Reply:
        """Answer as the service does to credentials that are not its own; 401 unless replaced."""
        return Reply(401, {})

    def busy(self, _request: Request) -> Reply:
        """Answer as the service does when it is asked too often, without `Retry-After`; 429 unless replaced."""
        return Reply(429, {})

    def aside(self, _request: Request) -> Reply | None:
        """Answer what is no message, such as a call for an access token; None for a message."""
        return None

    def found(self, request: Request) -> Reply:
        """Answer a look-up with the message that was sent; only for providers that have `look_up`.

        With its token and recipient, where the service lists them: the suite puts those of another message there.
        """
        raise NotImplementedError(
            "write found(self, request): how the service lists the message, since the provider has look_up"
        )

    def absent(self, request: Request) -> Reply:
        """Answer a look-up with no message at all; likewise."""
        raise NotImplementedError(
            "write absent(self, request): how the service lists nothing, since the provider has look_up"
        )

    def envelope(self, token: str, text: str) -> Any:
        """Make a message of its channel with this token, and with this text in its words."""
        return envelope(self.channel, token, text)

    def recipient(self, sent: Any) -> str:
        """Say what a request must name for its message to reach the right one: `to`, or the address in it.

        Empty where the channel has no recipient.
        """
        return str(getattr(sent.to, "email", sent.to))

    # --- the properties ---------------------------------------------------------------------------------------------

    def test_it_is_a_provider(self) -> None:
        """A name, and whether it drops copies."""

        async def look() -> Any:
            async with _client() as http:
                return self.build("http://127.0.0.1:1", http, _PATIENT)

        provider = asyncio.run(look())
        _hold(isinstance(provider.name, str) and provider.name, "give it a short, stable name: `name`")
        _hold(isinstance(provider.takes_idempotency_key, bool), "takes_idempotency_key must be True or False")
        for secret in self.secrets:
            _hold(secret not in repr(provider), "its repr shows a secret: keep it in a singr_config.Secret")

    def test_a_message_that_is_taken_gives_a_receipt(self) -> None:
        """Words arrive, and the service's id is kept."""
        receipt, peer = self._sent(self.taken)
        _hold(isinstance(receipt, SendReceipt), f"send must return a SendReceipt, not {_said(receipt)}")
        _hold(bool(receipt.provider_message_id), "the receipt must hold the service's own id of the message")
        _hold(len(peer.received) == 1, f"one message must be one request, not {len(peer.received)}")
        _hold(says(peer.received[0], CANARY), "the words of the message never arrived")

    def test_a_message_goes_to_its_recipient(self) -> None:
        """And to nobody that is written into the provider."""
        _, peer = self._sent(self.taken)
        there = peer.received and names(peer.received[0], self._recipient)
        _hold(there, "the request does not name the recipient: give the service `envelope.to`")

    def test_a_refused_recipient_is_permanent_and_named_nowhere(self) -> None:
        """Trying again would be of no use; errors are kept in logs."""
        error, _ = self._sent(self.refused)
        _hold(
            type(error) is PermanentSendError, f"raise PermanentSendError for a refused recipient, not {_said(error)}"
        )
        for written in filter(None, forms(self._recipient)):
            _hold(
                written not in str(error), "the error names the recipient: HttpCaller.refusal scrubs what it is given"
            )

    def test_a_refused_account_keeps_the_message(self) -> None:
        """Every other message would be refused as well; none is lost for it."""
        error, _ = self._sent(self.account_refused)
        _hold(
            isinstance(error, AccountRefusedError),
            f"raise AccountRefusedError for wrong credentials, not {_said(error)}",
        )
        for secret in self.secrets:
            _hold(secret not in str(error), "an error shows a secret")

    def test_nobody_listening_means_not_sent(self) -> None:
        """Nothing left this machine."""
        error = asyncio.run(self._call("http://127.0.0.1:1", _PATIENT))
        _hold(isinstance(error, TransientError), f"raise TransientError where nobody listens, not {_said(error)}")

    def test_no_answer_means_unknown(self) -> None:
        """It was read, and may have been taken."""
        self._unknown("hang", "where no answer comes")

    def test_an_answer_that_drips_is_given_up_on(self) -> None:
        """A deadline for the whole call, not for each byte."""
        self._unknown("drip", "where the answer does not end within the deadline")

    def test_a_connection_cut_after_the_message_means_unknown(self) -> None:
        """It was read, and may have been taken."""
        self._unknown("drop", "where the connection breaks after the message")

    def test_an_endless_answer_is_not_read_to_its_end(self) -> None:
        """Memory stays bounded."""
        peer = self._unknown("endless", "where the answer is endless")
        _hold(peer.written < _READ_AT_MOST, "it read megabytes of an answer: read_bounded of HttpCaller reads 64 KiB")

    def test_a_message_that_was_taken_and_answered_500_is_unknown(self) -> None:
        """The service may have failed after it took the message: sending it again may send it twice."""
        for status in (500, 502, 504):
            error, peer = self._sent(_always(Reply(status, {})))
            words = f"raise UnknownOutcomeError for a {status}: the message may have been taken; not {_said(error)}"
            _hold(isinstance(error, UnknownOutcomeError), words)
            self._asked_once(peer, f"after a {status}")

    def test_success_without_a_readable_answer_is_unknown(self) -> None:
        """A 200 of something that stands before the service."""
        for body in _UNREADABLE:
            error, peer = self._sent(_always(Reply(200, body)))
            words = f"raise UnknownOutcomeError for a 200 that says {body!r}, not {_said(error)}"
            _hold(isinstance(error, UnknownOutcomeError), words)
            self._asked_once(peer, f"after a 200 that says {body!r}")

    def test_a_busy_service_means_later_when_it_says(self) -> None:
        """`Retry-After` is honoured where it comes."""
        error, _ = self._sent(self.busy)
        _hold(isinstance(error, TransientError), f"raise TransientError for a busy service, not {_said(error)}")

        def later(request: Request) -> Reply:
            reply = self.busy(request)
            return Reply(reply.status, reply.body, {**reply.headers, "retry-after": "17"})

        error, _ = self._sent(later)
        wait = getattr(error, "retry_after", None)
        _hold(wait == 17.0, f"give retry_after=17.0 for `Retry-After: 17`, not {wait!r}")  # noqa: PLR2004 - as above

    def test_a_service_that_is_down_means_later(self) -> None:
        """A 503 says that nothing was taken."""
        error, _ = self._sent(_always(Reply(503, {})))
        _hold(isinstance(error, TransientError), f"raise TransientError for a 503, not {_said(error)}")

    def test_no_text_becomes_a_header_or_a_second_request(self) -> None:
        """Neither words nor token end a line of the request's head."""
        hostile = "x\nX-Injected: 1\n\nPOST /second HTTP/1.1"
        for token, text in ((_TOKEN, hostile), ("x\r\nX-Injected: 1", CANARY)):
            _, peer = self._sent(self.taken, token=token, text=text)
            for request in peer.received:
                _hold("x-injected" not in request.headers, "a text became a header: check the envelope first")
            _hold(len(peer.received) <= 1, "a text became a second request")

    def test_a_second_try_says_the_same(self) -> None:
        """A service that drops copies compares what is sent: nothing random or dated goes into it."""
        (_, first), (_, second) = self._sent(self.taken), self._sent(self.taken)
        differs = difference(first.received[0], second.received[0], self.per_try)
        words = f"a second try of one message differs from the first in {differs}: derive all from message and token"
        _hold(differs is None, words)

    def test_a_key_is_sent_where_copies_are_dropped(self) -> None:
        """By it the service tells a copy."""
        _, peer = self._sent(self.taken)
        if self._property("takes_idempotency_key"):
            there = says(peer.received[0], _TOKEN)
            _hold(there, "takes_idempotency_key is True, but no request carries the token")

    def test_a_look_up_tells_found_from_absent_and_from_no_answer(self) -> None:
        """Only where there is one: a message that is found is a receipt, one that is absent None."""
        if not self._property("look_up"):
            return
        found, peer = self._sent(self.found, call=_look_up)
        words = f"look_up must return the receipt of what it found, not {_said(found)}"
        _hold(isinstance(found, SendReceipt) and bool(found.provider_message_id), words)
        asked = any(says(request, _TOKEN) or names(request, self._recipient) for request in peer.received)
        _hold(asked, "look_up asks for no message in particular: name its token or recipient, lists have more pages")
        absent, _ = self._sent(self.absent, call=_look_up)
        words = f"look_up must return None where nothing is found, not {_said(absent)}"
        # One that drops copies may ask by sending again, and then the message is there.
        sent_again = self._property("takes_idempotency_key") and isinstance(absent, SendReceipt)
        _hold(absent is None or sent_again, words)
        for reply in (Reply(500, {}), Reply(429, {}), Reply(200, b"<html>")):
            error, _ = self._sent(_always(reply), call=_look_up)
            words = f"look_up must raise TransientError for a {reply.status} that tells nothing, not {_said(error)}"
            _hold(isinstance(error, TransientError), words)

    def test_a_look_up_believes_nothing_of_another_message(self) -> None:
        """What is listed tells by its token or recipient that it is another's, where the service lists them."""
        if not self._property("look_up"):
            return
        told = False

        def of_another(request: Request) -> Reply:
            nonlocal told
            reply = self.found(request)
            text = reply.body.decode(errors="replace") if isinstance(reply.body, bytes) else json.dumps(reply.body)
            changed = text.replace(_TOKEN, _ANOTHER)
            for written in filter(None, forms(self._recipient)):
                changed = changed.replace(written, of_somebody_else(written))
            told = told or changed != text
            return Reply(reply.status, changed.encode(), reply.headers)

        believed, _ = self._sent(of_another, call=_look_up)
        words = (
            "look_up believed the message of somebody else: compare what is listed with envelope.idempotency_token or"
            f" envelope.to, not {_said(believed)}"
        )
        # A PermanentSendError says that it was taken: that is believed too.
        _hold(not (told and isinstance(believed, SendReceipt | PermanentSendError)), words)

    # --- how it is asked --------------------------------------------------------------------------------------------

    def _unknown(self, how: Misbehaviour, when: str) -> Peer:
        error, peer = self._sent(self.taken, misbehaves=how, deadline=_IMPATIENT)
        _hold(isinstance(error, UnknownOutcomeError), f"raise UnknownOutcomeError {when}, not {_said(error)}")
        self._asked_once(peer, when)
        return peer

    def _asked_once(self, peer: Peer, when: str) -> None:
        """Where nobody knows whether a message was taken, only a service that drops copies may be asked again."""
        more = peer.received[1:]
        words = f"send asked {len(peer.received)} times {when}: the message may come twice; raise UnknownOutcomeError"
        _hold(not more or self._property("takes_idempotency_key"), words)
        for again in more:
            differs = difference(peer.received[0], again, self.per_try)
            _hold(says(again, _TOKEN) and differs is None, f"{words}, or ask again with the same key and words")

    @property
    def _recipient(self) -> str:
        return self.recipient(self.envelope(_TOKEN, CANARY))

    def _property(self, name: str) -> Any:
        async def look() -> Any:
            async with _client() as http:
                return getattr(self.build("http://127.0.0.1:1", http, _PATIENT), name, None)

        return asyncio.run(look())

    def _sent(
        self,
        reply: Callable[[Request], Reply],
        *,
        misbehaves: Misbehaviour | None = None,
        deadline: float = _PATIENT,
        token: str = _TOKEN,
        text: str = CANARY,
        call: Callable[[Any, Any], Awaitable[Any]] | None = None,
    ) -> tuple[Any, Peer]:
        async def run() -> tuple[Any, Peer]:
            peer = Peer()
            peer.reply, peer.misbehaves, peer.aside = reply, misbehaves, self.aside
            async with peer.serve():
                return await self._call(peer.url, deadline, token, text, call), peer

        return asyncio.run(run())

    async def _call(
        self,
        url: str,
        deadline: float,
        token: str = _TOKEN,
        text: str = CANARY,
        call: Callable[[Any, Any], Awaitable[Any]] | None = None,
    ) -> Any:
        """What came of it: a receipt, or one of the errors that a provider may raise."""
        async with _client() as http:
            provider = self.build(url, http, deadline)
            try:
                return await (call or _send)(provider, self.envelope(token, text))
            except CommsError as error:
                return error


def _client() -> httpx.AsyncClient:
    # Loopback without TLS: no certificates are loaded for it.
    return httpx.AsyncClient(verify=False, trust_env=False)  # noqa: S501 - as above


def _always(reply: Reply) -> Callable[[Request], Reply]:
    return lambda _: reply


async def _send(provider: Any, sent: Any) -> Any:
    return await provider.send(sent)


async def _look_up(provider: LooksUp, sent: Any) -> SendReceipt | None:
    return await provider.look_up(sent, clock.time())


def _hold(right: object, words: str) -> None:
    """Fail with words that say what to do: asserts of an installed package say nothing."""
    if not right:
        raise AssertionError(words)


def _said(outcome: object) -> str:
    return f"{type(outcome).__name__}({outcome})" if isinstance(outcome, SendError) else repr(outcome)
