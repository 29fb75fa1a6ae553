"""S24: callbacks are proved as their providers' own libraries prove them, and what nothing proves is refused."""

import base64
import random
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
import resend
import standardwebhooks
import stripe
import svix
from comms_callbacks import (
    ADDRESS,
    MAILJET_SECRET,
    RESEND_SECRET,
    STRIPE_SECRET,
    TWILIO_KEY,
    TWILIO_TOKEN,
    doors,
    json_twilio,
    mailjet,
    settings,
    sid,
)
from comms_callbacks import resend as resend_call
from comms_callbacks import stripe as stripe_call
from comms_callbacks import twilio as twilio_call
from twilio.request_validator import RequestValidator, get_signature_algorithm

from singr_comms.inbound import Callback, Doors, ForgedError, UnknownProviderError
from singr_config import Secret

CASES = 1000
TEXTS = ("", "a", "Grüße & +49 171", "0", "STOP", "x=y", "ﬁ 🎤", "zz")
DOORS = doors()
DOORS_SETTINGS = settings()


def proves(provider: str, callback: Callback, through: Doors = DOORS) -> bool:
    """Whether a callback comes in."""
    try:
        through.prove(provider, callback)
    except ForgedError:
        return False
    return True


def fits(callback: Callback) -> bool:
    """Whether the signature of a callback of Twilio's fits, be it cut into fields in one way or another."""
    try:
        DOORS.prove("twilio", callback)
    except ForgedError as refused:
        return refused.code == "ambiguous"
    return True


def agreed(provider: str, cases: list[Callback], theirs: Callable[[Callback], bool]) -> set[bool]:
    """Ask both about each; returns the verdicts that came."""
    verdicts = set()
    for case in cases:
        ours = fits(case) if provider == "twilio" else proves(provider, case)
        assert ours == theirs(case), case
        verdicts.add(ours)
    return verdicts


def altered(callback: Callback, draw: random.Random, headers: tuple[str, ...]) -> Callback:
    """One in three as it is, and the others with a bit turned in the body or a header, or a header gone."""
    if draw.random() < 1 / 3:
        return callback
    if callback.body and draw.random() < 1 / 2:
        at = draw.randrange(len(callback.body))
        turned = bytes([callback.body[at] ^ 1])
        return msgspec.structs.replace(callback, body=callback.body[:at] + turned + callback.body[at + 1 :])
    name = draw.choice(headers)
    value = callback.headers.get(name, "")
    kept = {key: one for key, one in callback.headers.items() if key != name}
    if value and draw.random() < 1 / 2:
        kept[name] = value[:-5] + ("A" if value[-5] != "A" else "B") + value[-4:]
    return msgspec.structs.replace(callback, headers=kept)


class Fields(dict[str, list[str]]):
    """Form fields as web frameworks hand them over: a field may come twice."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def test_twilios_validator_agrees() -> None:
    draw = random.Random(1)

    def theirs(case: Callback) -> bool:
        settings = case.headers.get("x-twilio-webhooks-signature-settings", "")
        address = f"{ADDRESS}/v1/webhooks/twilio/{case.part}" + (f"?{case.query}" if case.query else "")
        fields = Fields()
        for name, value in parse_qsl(case.body.decode("utf-8", "replace"), keep_blank_values=True):
            fields.setdefault(name, []).append(value)
        form = case.headers.get("content-type") != "application/json"
        return RequestValidator(TWILIO_KEY if settings else TWILIO_TOKEN).validate(  # type: ignore[no-any-return] # untyped
            address,
            fields if form else case.body.decode(),
            case.headers.get("x-twilio-signature", ""),
            get_signature_algorithm(settings),
        )

    def one() -> Callback:
        names = [draw.choice(("To", "From", "Body", "MessageSid", "body")) for _ in range(draw.randrange(6))]
        fields = [(name, draw.choice(TEXTS)) for name in names]
        if draw.random() < 0.1:
            return json_twilio(dict(fields), secret=draw.choice((TWILIO_TOKEN, "wrong")))
        settings = draw.choice(
            ("", "", f"key=k,algorithm={draw.choice(('HMAC_SHA256', 'hmac_sha256', 'HMAC_MD5'))}", "key=k")
        )
        return twilio_call(
            fields,
            part=draw.choice(("status", "inbound")),
            query=draw.choice(("", "message_id=1&x=%20")),
            secret=draw.choice((TWILIO_TOKEN, TWILIO_KEY, TWILIO_KEY if settings else TWILIO_TOKEN, "wrong")),
            address=draw.choice((ADDRESS, ADDRESS, ADDRESS + ":443", ADDRESS + ":8443", "http://api.singr.example")),
            settings=settings,
        )

    cases = [altered(one(), draw, ("x-twilio-signature",)) for _ in range(CASES)]
    assert agreed("twilio", cases, theirs) == {True, False}


def test_stripes_library_agrees_but_for_times_to_come() -> None:
    draw, now = random.Random(2), time.time()

    def theirs(case: Callback) -> bool:
        given = case.headers.get("stripe-signature", "")
        try:
            stripe.WebhookSignature.verify_header(case.body, given, STRIPE_SECRET, 300)  # type: ignore[no-untyped-call] # untyped
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            return False
        return int(given.partition("t=")[2].partition(",")[0]) - now < 300

    def one() -> Callback:
        at = now + draw.choice((-86_400, -310, -290, 0, 0, 290, 320, 86_400))
        secret = draw.choice((STRIPE_SECRET, STRIPE_SECRET, "whsec_other"))
        return stripe_call({"id": "evt_1", "text": draw.choice(TEXTS)}, at=at, secret=secret)

    cases = [altered(one(), draw, ("stripe-signature",)) for _ in range(CASES)]
    assert agreed("stripe", cases, theirs) == {True, False}


@pytest.mark.parametrize("library", ["svix", "standardwebhooks", "resend"])
def test_libraries_of_standard_webhooks_agree(library: str) -> None:
    draw, now = random.Random(library), time.time()
    names = "webhook" if library == "standardwebhooks" else "svix"

    def theirs(case: Callback) -> bool:
        try:
            if library == "svix":
                svix.Webhook(RESEND_SECRET).verify(case.body, dict(case.headers))
            elif library == "standardwebhooks":
                standardwebhooks.Webhook(RESEND_SECRET).verify(case.body, dict(case.headers), json_parse=False)
            else:
                known = {part: case.headers.get(f"svix-{part}", "") for part in ("id", "timestamp", "signature")}
                options: Any = {"payload": case.body.decode(), "headers": known, "webhook_secret": RESEND_SECRET}
                resend.Webhooks.verify(options)
        except Exception:  # noqa: BLE001 - each library refuses by errors of its own
            return False
        return True

    def one() -> Callback:
        at = now + draw.choice((-86_400, -310, -280, 0, 0, 280, 320, 86_400))
        secret = draw.choice((RESEND_SECRET, RESEND_SECRET, "whsec_" + base64.b64encode(b"other" * 5).decode()))
        event = {"type": "email.sent", "text": draw.choice(TEXTS)}
        return resend_call(event, event_id=f"msg_{draw.randrange(99)}", at=at, secret=secret, names=names)

    cases = [altered(one(), draw, (f"{names}-id", f"{names}-signature")) for _ in range(CASES)]
    assert agreed("resend", cases, theirs) == {True, False}


@pytest.mark.parametrize("off", [-86_400, -301, 301, 86_400])
def test_signature_of_another_time_is_refused(off: int) -> None:
    now = time.time() + (1 if off > 0 else -1)  # it may take a moment to get there
    assert not proves("stripe", stripe_call({"id": "evt_1"}, at=now + off))
    assert not proves("resend", resend_call({}, event_id="m", at=now + off))


def test_secret_of_before_is_accepted_while_it_is_being_changed_and_a_third_is_not() -> None:
    now = time.time()
    names = ("MAILJET_WEBHOOK_SECRET", "RESEND_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET", "TWILIO_AUTH_TOKEN")
    fresh = {"MAILJET_WEBHOOK_SECRET": "m" * 20, "RESEND_WEBHOOK_SECRET": "whsec_AAAA"}
    fresh |= {"STRIPE_WEBHOOK_SECRET": "whsec_new", "TWILIO_AUTH_TOKEN": "f" * 32}
    old = dict(zip(names, (MAILJET_SECRET, RESEND_SECRET, STRIPE_SECRET, TWILIO_TOKEN), strict=True))
    rotated = doors(**fresh, **{f"{name}_PREVIOUS": value for name, value in old.items()})
    gone = doors(**fresh)
    for provider, callback in {
        "mailjet": mailjet({}),
        "resend": resend_call({}, event_id="m", at=now),
        "stripe": stripe_call({"id": "evt_1"}, at=now),
        "twilio": twilio_call({"MessageSid": sid(1)}),
    }.items():
        assert proves(provider, callback, rotated), provider
        assert not proves(provider, callback, gone), provider


def test_where_no_secret_is_set_nothing_is_proved() -> None:
    closed = doors(**dict.fromkeys(("MAILJET_WEBHOOK_SECRET", "RESEND_WEBHOOK_SECRET", "TWILIO_AUTH_TOKEN"), ""))
    assert not proves("mailjet", mailjet({}, secret=""), closed)
    assert not proves("mailjet", mailjet({}, secret="x"), closed)
    assert not proves("resend", resend_call({}, event_id="m", at=time.time(), secret="whsec_"), closed)
    assert not proves("twilio", twilio_call({}, secret=""), closed)


def test_mailjet_proves_itself_in_the_path_or_by_basic_authentication_and_not_in_the_query() -> None:
    basic = "Basic " + base64.b64encode(f"mailjet:{MAILJET_SECRET}".encode()).decode()
    assert proves("mailjet", Callback(body=b"{}", headers={"authorization": basic}))
    assert not proves("mailjet", Callback(body=b"{}", query=MAILJET_SECRET))
    for wrong in ("Basic ", "Basic ???", "Basic " + base64.b64encode(b"mailjet:").decode(), f"Bearer {MAILJET_SECRET}"):
        assert not proves("mailjet", Callback(body=b"{}", headers={"authorization": wrong}))


@pytest.mark.parametrize(("provider", "part"), [("nobody", ""), ("twilio", ""), ("twilio", "voice"), ("resend", "x")])
def test_address_of_no_provider_is_unknown(provider: str, part: str) -> None:
    with pytest.raises(UnknownProviderError):
        DOORS.prove(provider, Callback(body=b"{}", part=part))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"7", b"\xff", b"[" * 5000, b'{"event":{"a":1},"time":[]}']
)
def test_proved_callback_that_cannot_be_read_is_kept_as_such(body: bytes) -> None:
    proved = DOORS.prove("mailjet", Callback(body=body, part=MAILJET_SECRET))
    assert [type(one).__name__ for one in proved.news] == ["OtherNews"]
    again = DOORS.prove("mailjet", Callback(body=body, part=MAILJET_SECRET))
    assert again.news == proved.news


@pytest.mark.parametrize(
    ("second", "kinds"),
    [
        (rb'{"event":"bounce","error":"caf\ud83d","MessageID":8}', ["sent", "bounce"]),
        (b'{"event":"bounce","time":' + b"1" * 5000 + b"}", ["sent", "bounce"]),
        (b'{"event":"bounce","comment":"caf\xe9"}', ["sent", "bounce"]),
        (b'{"event":"bounce",', ["sent", "unreadable"]),
        (b"[" * 5000, ["sent", "unreadable"]),
    ],
)
def test_event_is_read_whatever_is_wrong_with_one_beside_it(second: bytes, kinds: list[str]) -> None:
    good = b'{"event":"sent","MessageID":7,"CustomID":"0192000000007000800000000000000a"}'
    proved = DOORS.prove("mailjet", Callback(body=b"[" + good + b", " + second + b"]", part=MAILJET_SECRET))
    assert [one.event for one in proved.news] == kinds
    assert proved.news[0] == DOORS.prove("mailjet", Callback(body=good, part=MAILJET_SECRET)).news[0]
    msgspec.json.encode(proved.news)


def test_malformed_secret_of_before_closes_no_door() -> None:
    given = DOORS_SETTINGS.webhooks
    now = time.time()
    broken = msgspec.structs.replace(given, resend_previous=Secret("whsec_not base64!"))
    through = Doors(msgspec.structs.replace(DOORS_SETTINGS, webhooks=broken))
    assert proves("resend", resend_call({}, event_id="m", at=now), through)
    only = msgspec.structs.replace(broken, resend_secret=Secret("whsec_n"))
    with pytest.raises(ForgedError, match="none of theirs"):
        Doors(msgspec.structs.replace(DOORS_SETTINGS, webhooks=only)).prove("resend", Callback(body=b"{}"))
