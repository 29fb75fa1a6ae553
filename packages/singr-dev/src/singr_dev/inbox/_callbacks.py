"""Plays what providers do afterwards: signed callbacks over HTTP to the running API, at once or later."""

import heapq
import itertools
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from singr_config.clock import clock
from singr_dev.inbox._events import Event, Item, events_of, magic_of
from singr_dev.inbox._shorts import ShortMessage
from singr_dev.simulators import FcmSimulator, TwilioSimulator
from singr_dev.simulators.callbacks import BOUNCES, SignedCallback, resend_event, twilio_callback

_LOOK_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 10.0
_RESEND: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "delivered": ("email.delivered", {}),
    "bounce": ("email.bounced", {"bounce": BOUNCES["hard"]}),
    "soft-bounce": ("email.bounced", {"bounce": BOUNCES["soft"]}),
    "complain": ("email.complained", {}),
}
_UNREACHABLE: Final = {"ErrorCode": "30003", "ErrorMessage": "Unreachable destination handset"}


@dataclass
class Played:
    """An event of a message: when it is due, and what came of it.

    Attributes:
        answer: what the API said, in words; empty while it is still to come.
    """

    event: Event
    due: float
    answer: str = ""


class _Later:
    """Does things at their time, in a thread of its own, as the clock says."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._closed = False
        self._thread: threading.Thread | None = None

    def at(self, due: float, what: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._numbers), what))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="singr-dev-callbacks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_ANSWER_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (self._due and self._due[0][0] <= clock.time()):
                    self._changed.wait(_LOOK_SECONDS if self._due else None)
                if self._closed:
                    return
                _, _, what = heapq.heappop(self._due)
            what()


@dataclass(frozen=True)
class Callbacks:
    """Calls back as the providers do.

    Args:
        api: where the API runs.
        address: by which providers reach it (`APP_URL_API`), which Twilio signs.
        resend_secret: of Resend's webhook.
        twilio: knows who answered STOP, and its account's token.
        fcm: knows which apps were removed.
        delivery: what the delivery log says of a message, by our own id; None where it cannot be asked.
    """

    api: str
    address: str
    resend_secret: str
    twilio: TwilioSimulator
    fcm: FcmSimulator
    delivery: Callable[[str], dict[str, Any] | None] = lambda _: None
    _played: dict[str, list[Played]] = field(default_factory=lambda: defaultdict(list))
    _later: _Later = field(default_factory=_Later)

    def taken(self, item: Item) -> None:
        """Play by itself what the recipient's address asks for."""
        if (magic := magic_of(item)) is not None:
            self.play(item, *magic)

    def played(self, item: Item) -> list[Played]:
        """What was played for a message, oldest first."""
        return list(self._played.get(item.id, ()))

    def play(self, item: Item, name: str, after: float = 0.0) -> Played:
        """Let an event happen to a message, now or after so many seconds.

        Raises:
            LookupError: nothing of that name happens to such a message.
        """
        event = next((one for one in events_of(item) if one.name == name), None)
        if event is None:
            raise LookupError(f"a message of this kind knows no {name}")
        played = Played(event, clock.time() + after)
        self._played[item.id].append(played)
        if after:
            self._later.at(played.due, lambda: self._happen(item, played))
        else:
            self._happen(item, played)
        return played

    def close(self) -> None:
        """Forget what is still to come."""
        self._later.close()

    def _happen(self, item: Item, played: Played) -> None:
        try:
            played.answer = self._said(item, played.event.name)
        except Exception as error:  # noqa: BLE001 - such as of an address or a secret that is none: the page shows it
            played.answer = f"this could not be played ({type(error).__name__}: {error})"

    def _said(self, item: Item, name: str) -> str:
        """Let it happen; returns what came of it."""
        if isinstance(item, ShortMessage):
            return self._of_device(item.to, name) if item.channel == "push" else self._send(self._of_text(item, name))
        event, more = _RESEND[name]
        about = {"email_id": item.provider_id, "sender": item.sender, "subject": item.subject}
        about["to"] = next(iter(item.envelope_to), "")
        url, tags = f"{self.address}/v1/webhooks/resend", {"message_id": item.message_id}
        return self._send(resend_event(url, event, secret=self.resend_secret, tags=tags, more=more, **about))

    def _of_device(self, token: str, name: str) -> str:
        if name == "register":
            self.fcm.unregistered.discard(token)
            return "FCM calls nobody back: it takes this token again"
        self.fcm.unregistered.add(token)
        return "FCM calls nobody back: the next push to this token will be refused"

    def _of_text(self, item: ShortMessage, name: str) -> SignedCallback:
        account = {"AccountSid": self.twilio.account_sid, "ApiVersion": "2010-04-01"}
        ours = item.sender if item.sender.startswith("+") else self.twilio.numbers[0]
        token = self.twilio.auth_token
        if name in {"stop", "start"}:
            self.twilio.unsubscribed.add(item.to) if name == "stop" else self.twilio.unsubscribed.discard(item.to)
            sid, word = f"SM{secrets.token_hex(16)}", name.upper()
            said = {"MessageSid": sid, "SmsSid": sid, "From": item.to, "To": ours, "Body": word, "OptOutType": word}
            return twilio_callback(f"{self.address}/v1/webhooks/twilio/inbound", account | said, auth_token=token)
        sid = item.provider_id
        said = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": name, "SmsStatus": name, "From": ours, "To": item.to}
        said |= _UNREACHABLE if name == "undelivered" else {}
        told = f"{self.address}/v1/webhooks/twilio/status?message_id={item.message_id}"
        return twilio_callback(item.fields.get("StatusCallback", told), account | said, auth_token=token)

    def _send(self, callback: SignedCallback) -> str:
        """Make the call, to where the API runs whatever it is called from outside; returns the answer in words."""
        parts = urlsplit(callback.url)
        target = f"{self.api}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        try:
            with httpx.Client(timeout=_ANSWER_SECONDS, trust_env=False) as client:
                answer = client.post(target, content=callback.body, headers=callback.headers)
        except httpx.HTTPError as error:
            return f"the API did not answer ({type(error).__name__})"
        if answer.status_code == httpx.codes.NO_CONTENT:
            return "204: the API has stored it"
        return f"{answer.status_code}: {_words(answer)}"


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = answer.text
    return str(said)[:300]
