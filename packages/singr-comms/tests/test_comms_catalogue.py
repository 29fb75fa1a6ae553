"""The catalogue is open: a service adds its own types of message, and a wrong declaration says what to do."""

import codecs
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from comms_guides import EXAMPLES, own_types

from singr_comms import (
    CODE_KINDS,
    SECURITY_KINDS,
    DeclarationError,
    EmailAddress,
    EmailEnvelope,
    InvalidMessageError,
    Message,
    MessageType,
    MessageTypes,
    PlainSms,
    SmsEnvelope,
    SongRequestSms,
    check_email,
    check_sms,
    message_types,
    render_email,
)
from singr_comms._collect import collected
from singr_comms.catalogue import HttpUrl, ShortHttpUrl
from singr_comms.channels import CHANNELS
from singr_comms.notifications import EmailRequest, MessageIntake, SmsRequest, message_jobs, queue_message
from singr_comms.notifications.channels import WORK
from singr_config import Secret
from singr_db import Sealer
from singr_jobs import ReservedError

WORDS = {"email.subject.txt": "Ready", "email.txt": "{{ text }}", "email.html": "{{ text }}", "sms.txt": "{{ text }}"}
EMAIL = ("email.subject.txt", "email.txt", "email.html")


class Note(Message, tag="note", frozen=True, kw_only=True):
    text: str


class Other(Message, tag="other", frozen=True, kw_only=True):
    text: str


class Tagless(Message, tag=7, frozen=True, kw_only=True):
    text: str


def note(name: str) -> Note:
    return Note(text=name)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The types of the guide's service, in this process for one test."""
    return importlib.import_module(own_types(monkeypatch))


def folder(path: Path, *texts: str) -> Path:
    for text in texts:
        (path / text).write_text(WORDS.get(text, "words"))
    return path


def declared(path: Path, **changes: Any) -> MessageType:
    given: dict[str, Any] = {"examples": (note,), "email": Note} | changes
    return MessageType(path, **given)


# --- what is declared right -------------------------------------------------------------------------------------------


def test_a_service_outside_sends_messages_of_its_own_types() -> None:
    done = subprocess.run(
        [sys.executable, "own_messages.py"], cwd=EXAMPLES, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "A parcel waits for you at Corner <Shop>" in done.stdout
    assert "{'parcel_ready': 'settle', 'pickup_code': 'repeat'}" in done.stdout
    assert "de Singr: Bei Corner liegt ein Paket für Sie. https://parcels.example/7 1" in done.stdout


@pytest.mark.parametrize("one", list(message_types), ids=lambda one: one.name)
def test_every_type_renders_its_examples_for_each_of_its_channels(one: MessageType) -> None:
    assert one.try_out().keys() == one.models.keys()


def test_what_locks_out_or_leaves_unwarned_who_misses_it_is_repeated_and_all_else_settled() -> None:
    repeated = {one.name for one in message_types if one.when_unknown == "repeat"}
    assert repeated == CODE_KINDS | {"security_notice"}
    assert {one.when_unknown for one in message_types if one.name not in repeated} == {"settle"}


def test_a_type_that_nobody_knows_is_left_to_people() -> None:
    assert message_types.when_unknown("nonsense") == "flag"


def test_every_channel_has_its_work_and_its_job() -> None:
    assert WORK.keys() == CHANNELS.keys()
    assert {f"{name}.send" for name in CHANNELS} <= {job.name for job in message_jobs()}


async def test_a_message_of_an_own_type_is_queued_sealed_and_sent(bench: Any, own: Any) -> None:
    ready = own.ParcelReady(user_name="Jane", shop="Corner Shop", link="https://parcels.example/7")
    message_id = await bench.queue(ready)
    await bench.send(message_id)
    assert [one.message for one in bench.email.sent] == [ready]
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_a_code_of_an_own_type_is_erased_once_it_is_sent(bench: Any, own: Any) -> None:
    code = importlib.import_module("parcel_messages.pickup_code").PickupCode(code="042917", expiry_hours=24)
    async with bench.db.tenant(bench.organization) as session:
        queued = await queue_message(
            session,
            SmsRequest(to="+15555550100", message=code),
            sealer=bench.sealer,
            organization_id=bench.organization,
        )
    await bench.sender().send("sms", queued.message_id, organization_id=bench.organization, is_last_attempt=True)
    assert (await bench.row(queued.message_id)).content_sealed == b""


def test_callers_over_http_may_send_what_is_known_when_an_api_is_built(own: Any) -> None:
    words = {"kind": "parcel_ready", "user_name": "Jane", "shop": "Shop", "link": "https://parcels.example/7"}
    body = msgspec.json.encode({"to": {"email": "jane@example.org"}, "message": words})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=EmailRequest)
    request = message_jobs().named("email.send").request
    assert request is not None
    found = msgspec.json.decode(body, type=request)
    assert isinstance(found, EmailRequest)
    assert isinstance(found.message, own.ParcelReady)


class Tracked(Message, tag="tracked", frozen=True, kw_only=True):
    text: str
    link: HttpUrl
    track_at: ShortHttpUrl | None = None
    help_url: str | None = None


@pytest.mark.parametrize("variable", ["link", "track_at", "help_url"])
@pytest.mark.usefixtures("own")
def test_every_link_of_what_organizations_may_send_must_lead_to_a_known_site(tmp_path: Path, variable: str) -> None:
    ours = "https://singr.example/x"
    message_types.add(
        declared(
            folder(tmp_path, *EMAIL),
            speaks_for="organization",
            email=Tracked,
            examples=(lambda name: Tracked(text=name, link=ours),),
        )
    )
    intake = MessageIntake(Sealer(Secret("s" * 40)), link_origins=["https://singr.example"])
    known = Tracked(text="x", link=ours, track_at=ours, help_url=ours)
    intake.check_organization(EmailRequest(to=EmailAddress("jane@example.org"), message=known))
    strange = msgspec.structs.replace(known, **{variable: "https://evil.example/x"})
    with pytest.raises(ReservedError) as caught:
        intake.check_organization(EmailRequest(to=EmailAddress("jane@example.org"), message=strange))
    assert caught.value.field == f"message.{variable}"


# --- what is declared wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "changes", "says"),
    [
        ((), {}, "its words are missing: write email.html, email.subject.txt, email.txt in"),
        (EMAIL[:2], {}, "its words are missing: write email.html in"),
        ((*EMAIL, "sms.txt"), {}, "sms.txt in"),
        (EMAIL, {"examples": ()}, "has no example for email: add `lambda name: Note(…)`"),
        ((*EMAIL, "sms.txt"), {"sms": SongRequestSms}, "need one and the same tag"),
        (EMAIL, {"examples": (note, lambda name: Other(text=name))}, "a Other, which is none of its models"),
        (EMAIL, {"examples": (lambda name: Note(words=name),)}, "an example cannot be made (TypeError"),
        (EMAIL, {"fax": Note}, "there is no channel fax; there are email, push, sms"),
        (EMAIL, {"email": Tagless}, "need one and the same tag"),
        (EMAIL, {"email": dict}, "must be a subclass of Message"),
        (EMAIL, {"carries_code": True}, "needs one of expiry_days, expiry_hours, expiry_minutes"),
        (EMAIL, {"when_unknown": "maybe"}, "when_unknown must be repeat, settle or flag"),
        (EMAIL, {"speaks_for": "me"}, "speaks_for must be platform or organization"),
        (EMAIL, {"category": "Big Sale"}, "category must be a name in small letters"),
        (EMAIL, {"category_names": {"en": "songs"}}, "general is one of Singr's own categories, which have names"),
        (EMAIL, {"category": "songs", "category_names": "songs"}, "category_names must be names by language, such as"),
        (EMAIL, {"category": "songs", "category_names": {"de": "Lieder"}}, "must have a name in English (en) too"),
        (
            EMAIL,
            {"category": "songs", "category_names": {"en": "x", "pt_BR": "x"}},
            "has 'pt_BR', which is no language as BCP 47",
        ),
        (EMAIL, {"category": "songs", "category_names": {"en": " \n"}}, "category_names for en must be one line with"),
        (EMAIL, {"category": "songs", "category_names": {"en": "x" * 65}}, "visible text, at most 64 characters"),
        (EMAIL, {"mandatory": 1}, "mandatory must be True or False"),
        (EMAIL, {"opt_in": 1}, "opt_in must be True or False"),
        (EMAIL, {"opt_in": True, "mandatory": True}, "there is nothing to opt in to"),
        (EMAIL, {"time_to_live": 0}, "time_to_live must be whole seconds, from 1 to 31536000"),
        (EMAIL, {"time_to_live": 1.5}, "time_to_live must be whole seconds"),
        (EMAIL, {"quiet": "never"}, "quiet must be hold, drop, digest or pass"),
        (
            EMAIL,
            {"mandatory": True, "quiet": "drop"},
            "it is mandatory, so quiet hours do not hold it",
        ),
        (EMAIL, {"default_channels": ()}, "default_channels must name at least one channel"),
        (EMAIL, {"default_channels": ("email", "email")}, "and each once"),
        (EMAIL, {"default_channels": ("sms",)}, "names sms, for which it has no model: add one, or name email"),
    ],
)
def test_a_wrong_declaration_fails_and_says_what_to_do(
    tmp_path: Path, texts: tuple[str, ...], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(folder(tmp_path, *texts), **changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(("name", "right"), [("pt_BR", "name it pt-BR"), ("German", "such as de or pt-BR")])
def test_a_folder_of_words_that_is_named_as_no_language_is_refused(tmp_path: Path, name: str, right: str) -> None:
    (tmp_path / name).mkdir()
    folder(tmp_path / name, *EMAIL)
    with pytest.raises(DeclarationError, match=f"nobody would read its words in {name} in .*{right}"):
        declared(folder(tmp_path, *EMAIL))


def test_a_type_without_a_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="give it a model for a channel"):
        MessageType(tmp_path, when_unknown="settle", examples=())


def test_a_type_that_does_not_say_otherwise_is_settled(tmp_path: Path) -> None:
    assert MessageType(folder(tmp_path, *EMAIL), examples=(note,), email=Note).when_unknown == "settle"


def test_a_code_with_a_time_to_live_beside_its_expiry_is_refused() -> None:
    code = message_types.named("verification_code")
    assert code is not None
    with pytest.raises(DeclarationError, match="lives as long as its expiry says: leave time_to_live out"):
        MessageType(
            code.folder,
            carries_code=True,
            time_to_live=60,
            sms=code.models["sms"],
            examples=(lambda _name: code.samples()[0][1],),
        )


def test_what_is_not_said_about_treatment_is_the_mild_one(tmp_path: Path) -> None:
    one = declared(folder(tmp_path, *EMAIL))
    assert (one.category, one.mandatory, one.time_to_live, one.quiet) == ("general", False, 86_400, "hold")
    assert one.default_channels == ("email",)


def test_what_carries_a_code_or_concerns_security_can_neither_be_switched_off_nor_held_by_quiet_hours() -> None:
    must = {one.name for one in message_types if one.mandatory}
    assert must == CODE_KINDS | SECURITY_KINDS
    assert {one.quiet for one in message_types if one.name in must} == {"pass"}


def test_a_name_that_is_taken_is_refused_and_nothing_is_added(tmp_path: Path) -> None:
    class Mine(Message, tag="welcome", frozen=True, kw_only=True):
        text: str

    taken = declared(folder(tmp_path, *EMAIL), email=Mine, examples=(lambda name: Mine(text=name),))
    fresh = declared(folder(tmp_path, *EMAIL))
    before = {one.name for one in message_types}
    with pytest.raises(DeclarationError, match=r"type welcome: there is one of this name already, in .*welcome"):
        message_types.add(fresh, taken)
    assert {one.name for one in message_types} == before


def test_two_types_of_one_call_cannot_share_a_name(tmp_path: Path) -> None:
    types = MessageTypes()
    with pytest.raises(DeclarationError, match="there is one of this name already"):
        types.add(declared(folder(tmp_path, *EMAIL)), declared(tmp_path))
    assert list(types) == []


def test_the_same_type_may_be_added_again(tmp_path: Path) -> None:
    types, one = MessageTypes(), declared(folder(tmp_path, *EMAIL))
    types.add(one)
    types.add(one)
    assert list(types) == [one]


@pytest.mark.parametrize("where", ["json.decoder", "no.such.package", "__main__"])
def test_a_type_that_is_declared_outside_a_package_is_told_where_its_words_belong(where: str) -> None:
    with pytest.raises(DeclarationError, match=r"declare it in the __init__\.py of the folder that holds its words"):
        MessageType(where, when_unknown="settle", examples=(note,), email=Note)


def test_a_module_of_a_package_of_types_that_declares_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "idle_messages"
    (package / "nothing").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nothing" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeclarationError, match=r"idle_messages\.nothing declares no MESSAGE_TYPE: write `MESSAGE"):
        collected("idle_messages", "MESSAGE_TYPE", MessageType)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{{ nobody }}", "UndefinedError"), ("{% if", "TemplateSyntaxError"), ("  \n", "says nothing")],
)
def test_words_that_cannot_be_rendered_are_told_by_trying_them_out(tmp_path: Path, text: str, says: str) -> None:
    one = declared(folder(tmp_path, *EMAIL))
    (tmp_path / "email.txt").write_text(text)
    with pytest.raises(DeclarationError, match=says):
        one.try_out()


@pytest.mark.parametrize("filter_", ["day", "moment"])
def test_a_filter_that_does_not_fit_its_variable_is_named_with_it(tmp_path: Path, filter_: str) -> None:
    one = declared(folder(tmp_path, *EMAIL))
    (tmp_path / "email.txt").write_text(f"{{{{ text | {filter_} }}}}")
    with pytest.raises(DeclarationError, match=f"the filter {filter_} takes a Local.*, not text"):
        one.try_out()


def test_the_mark_that_some_editors_begin_a_file_with_is_no_part_of_a_message(tmp_path: Path) -> None:
    one = declared(folder(tmp_path, *EMAIL))
    for text in EMAIL:
        (tmp_path / text).write_bytes(codecs.BOM_UTF8 + (tmp_path / text).read_bytes())
    assert "\ufeff" not in "".join(text for texts in one.try_out().values() for text in texts)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("sms.txt", "{{ cod }}", r"pickup_code: its words for sms cannot be rendered \(UndefinedError: 'cod' is undef"),
        ("sms.txt", "{{ code", "pickup_code: its words for sms cannot be rendered"),
        (
            "sms.txt",
            "{{ [1, 2]|random }}",
            r"words for sms cannot be rendered \(TemplateAssertionError: No filter named 'ra",
        ),
        ("sms.txt", "{{ lipsum() }}", r"words for sms cannot be rendered \(UndefinedError: 'lipsum' is undefined"),
        ("sms.txt", " \n", "pickup_code: a text of it for sms says nothing"),
        ("sms.txt", "", "pickup_code: a text of it for sms says nothing"),
    ],
)
def test_a_package_with_words_that_cannot_be_sent_is_refused_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, says: str
) -> None:
    package = tmp_path / f"broken_{tmp_path.name.replace('-', '_')}"
    shutil.copytree(EXAMPLES / "parcel_messages", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "pickup_code" / file).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    types = MessageTypes()
    with pytest.raises(DeclarationError, match=says):
        types.add_package(package.name)
    assert list(types) == []


def test_an_example_that_breaks_its_own_model_is_told_by_trying_it_out(tmp_path: Path) -> None:
    one = declared(folder(tmp_path, *EMAIL), examples=(lambda _name: Note(text=7),))  # type: ignore[arg-type] # so it is
    with pytest.raises(DeclarationError, match="breaks its own model: text: must be a string"):
        one.try_out()


def test_a_message_of_no_declared_type_is_refused_by_name() -> None:
    class Unknown(Message, tag="unknown", frozen=True, kw_only=True):
        text: str

    with pytest.raises(InvalidMessageError, match="Unknown is of no declared type"):
        render_email(Unknown(text="x"))
    with pytest.raises(InvalidMessageError, match="Unknown is no e-mail of a type that this process knows"):
        check_email(EmailEnvelope(to=EmailAddress("a@b.example"), message=Unknown(text="x"), idempotency_token="t"))


def test_a_message_of_another_channel_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="message: PlainSms is no e-mail"):
        check_email(EmailEnvelope(to=EmailAddress("a@b.example"), message=PlainSms(text="x"), idempotency_token="t"))
    with pytest.raises(InvalidMessageError, match="message: str is no SMS"):
        check_sms(SmsEnvelope(to="+15555550100", message="x", idempotency_token="t"))  # type: ignore[arg-type] # so it is


def bench_organization(bench: Any) -> Any:
    return bench.organization
