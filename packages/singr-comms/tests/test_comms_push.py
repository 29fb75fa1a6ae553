"""A push on its way: over HTTP into the queue, sent by its job, told by the delivery log."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from singr_comms import Message, MessageType, PlainPush, PushEnvelope
from singr_comms.notifications import PushRequest, SendPush, message_intakes, message_jobs, queue_message
from singr_comms.rendering._templates import place
from singr_jobs import IntakeError

TOKEN = "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1"
BODY = {"to": TOKEN, "message": {"kind": "plain", "title": "You are next", "text": "Stage 2, in five minutes"}}


def decoded(**changes: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(BODY | changes), type=message_jobs().named("push.send").request)


async def test_push_is_queued_sent_and_told_without_telling_on_the_device(bench: Any) -> None:
    request = decoded()
    assert isinstance(request, PushRequest)
    async with bench.db.tenant(bench.organization) as session:
        queued = await queue_message(session, request, sealer=bench.sealer, organization_id=bench.organization)
    await bench.sender().send("push", queued.message_id, organization_id=bench.organization, is_last_attempt=False)
    message = PlainPush(title="You are next", text="Stage 2, in five minutes")
    [sent] = bench.push.sent
    lives = sent.time_to_live
    assert sent == PushEnvelope(to=TOKEN, message=message, idempotency_token=queued.message_id.hex, time_to_live=lives)
    row = await bench.row(queued.message_id)
    assert (row.channel, row.status, row.recipient_masked) == ("push", "sent", "device …Q3P1")
    assert TOKEN not in repr(row)


def test_intake_makes_a_job_and_a_sealed_row(bench: Any) -> None:
    intake = message_intakes(bench.sealer)[SendPush]
    request = decoded()
    intake.check_organization(request)
    job, row = intake.prepare(request, job_id=uuid4(), organization_id=bench.organization, correlation_id=None)
    assert isinstance(job, SendPush)
    assert (row.channel, row.kind) == ("push", "plain")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": "short"}, "$.to"),
        ({"to": "a token with spaces"}, "$.to"),
        ({"message": {"kind": "plain", "title": "", "text": "x"}}, "$.message.title"),
        ({"message": {"kind": "plain", "title": "x", "text": "x" * 401}}, "$.message.text"),
        ({"message": {"kind": "plain", "title": "x", "text": "x", "link": "javascript:x"}}, "$.message.link"),
        ({"message": {"kind": "plain", "text": "x"}}, "$.message"),
    ],
)
def test_what_is_no_push_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        decoded(**changes)
    assert f"`{field}`" in str(caught.value)


class Saga(Message, tag="saga", frozen=True, kw_only=True):
    text: str


def test_push_of_more_than_4096_bytes_is_refused_when_it_is_asked_for(bench: Any, tmp_path: Any) -> None:
    for name in ("push.title.txt", "push.txt"):
        (tmp_path / name).write_text("{{ text }}")
    place(
        Saga, MessageType(tmp_path, when_unknown="repeat", push=Saga, examples=(lambda name: Saga(text=name),)).folder
    )
    intake = message_intakes(bench.sealer)[SendPush]
    for text, fits in (("x" * 1_700, True), ("\U0001f3a4" * 1_000, False)):
        request = PushRequest(to=TOKEN, message=Saga(text=text))  # type: ignore[arg-type] # of a stranger's type
        given = {"job_id": uuid4(), "organization_id": bench.organization, "correlation_id": None}
        if fits:
            assert intake.prepare(request, **given)
            continue
        with pytest.raises(IntakeError, match="4096 bytes") as caught:
            intake.prepare(request, **given)
        assert caught.value.field == "message"
