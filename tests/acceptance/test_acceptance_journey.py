"""One signed request, one message delivered: its story in the log, its way in one trace, nothing twice."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sites import until

from acceptance.system import System, address, number, plain, song
from singr_db import new_id
from singr_observability.testing import CollectedSpan, CollectorStub

pytestmark = pytest.mark.xdist_group("acceptance")


def test_delivery_log_tells_the_story_of_an_email(system: System) -> None:
    caller, to = system.caller(), address()
    job = caller.email(to, song(singer_name="Nina <b>"), headers={"x-request-id": "journey-email"})
    assert (job["status"], job["queue"], job["attempt"]) == ("pending", "email", 0)
    done = caller.ended(job)
    [received] = system.mailjet.received
    assert received.message["To"][0]["Email"] == to
    assert "Nina &lt;b&gt;" in received.message["HTMLPart"]
    assert (done["status"], done["attempt"], done["attempts"], done["error"]) == ("completed", 1, [], None)
    delivery = caller.delivery(job)
    assert done["result"] == {
        "message_id": delivery["id"],
        "provider": "mailjet",
        "provider_message_id": received.id,
    }
    told = ("job_id", "channel", "kind", "status", "recipient", "provider", "provider_message_id", "correlation_id")
    assert tuple(delivery[name] for name in told) == (
        *(job["id"], "email", "song_request", "sent", "g***@example.org"),
        *("mailjet", received.id, "journey-email"),
    )
    [attempt] = delivery["attempts"]
    assert (attempt["attempt"], attempt["status"], attempt["provider_message_id"]) == (1, "sent", received.id)
    moments = [delivery["created_at"], attempt["started_at"], attempt["finished_at"]]
    assert moments == sorted(moments)
    assert caller.deliveries(recipient=to)[0]["id"] == delivery["id"], "found by the full address"


def test_delivery_log_tells_the_story_of_an_sms(system: System) -> None:
    caller, to = system.caller(), number()
    job = caller.sms(to, plain("Table four, you are next."))
    assert caller.ended(job)["status"] == "completed"
    [received] = system.twilio.received
    assert (received.message["To"], received.message["Body"]) == (to, "Table four, you are next.")
    delivery = caller.delivery(job)
    assert (delivery["channel"], delivery["status"], delivery["provider"]) == ("sms", "sent", "twilio")
    assert delivery["provider_message_id"] == received.id
    assert delivery["recipient"] == f"+1******{to[-4:]}"


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_one_trace_goes_from_the_request_to_the_provider_call(
    system: System, collector: CollectorStub, channel: str
) -> None:
    caller, request_id = system.caller(), f"trace-{channel}"
    trace_id, parent = new_id().hex, "00f067aa0ba902b7"
    headers = {"x-request-id": request_id, "traceparent": f"00-{trace_id}-{parent}-01"}
    job = caller.email(address(), headers=headers) if channel == "email" else caller.sms(number(), headers=headers)
    assert caller.ended(job)["status"] == "completed"

    def span(kind: str) -> CollectedSpan:
        return collector.wait_for(lambda span: (span.kind, span.trace_id) == (kind, trace_id))

    server, consumer, client = span("server"), span("consumer"), span("client")
    assert (server.name, consumer.name, client.name) == ("POST /v1/jobs", f"job {channel}.send", f"send {channel}")
    assert server.parent_span_id == parent
    assert consumer.parent_span_id == server.span_id
    assert client.parent_span_id == consumer.span_id
    assert server.service != consumer.service == client.service
    assert not any(span.failed for span in (server, consumer, client))
    [received] = (system.mailjet if channel == "email" else system.twilio).received
    assert received.headers["x-request-id"] == request_id
    assert re.fullmatch(rf"00-{trace_id}-{client.span_id}-01", received.headers["traceparent"])
    for process in (system.api, system.worker):
        until(lambda: request_id in process.log.read_text(), within=5, what="the id is in the log")  # noqa: B023


def test_one_trace_goes_from_a_notification_through_its_fan_out_to_the_provider_call(
    system: System, collector: CollectorStub
) -> None:
    caller, to = system.caller(), address()
    trace_id, parent = new_id().hex, "00f067aa0ba902b7"
    words = {"title": "Now", "text": "The canary sings."}
    body = {"type": "plain", "to": [{"email": to}], "channels": ["email"], "data": words}
    headers = {"traceparent": f"00-{trace_id}-{parent}-01", "idempotency-key": trace_id}
    assert caller.http.post("/v1/notifications", json=body, headers=headers).status_code == 202

    def span(name: str) -> CollectedSpan:
        return collector.wait_for(lambda span: (span.name, span.trace_id) == (name, trace_id))

    names = "POST /v1/notifications", "job notification.fan_out", "job email.send", "send email"
    spans = [span(name) for name in names]
    assert [one.parent_span_id for one in spans] == [parent, *(one.span_id for one in spans[:-1])]
    assert not any(one.failed for one in spans)
    counted = r'^singr_notification_messages_total\{channel="email",reason="queued",type="plain"\} [1-9]'
    until(lambda: re.search(counted, system.worker.get("/metrics").text, re.MULTILINE), within=5, what="it is counted")
    seen = system.worker.get("/metrics").text + str(spans)
    assert to not in seen
    assert "canary" not in seen


def test_repeated_request_gets_the_same_answer_and_sends_nothing_twice(system: System) -> None:
    caller, to = system.caller(), address()
    key = {"idempotency-key": "journey-repeat"}

    def ask(_: int = 0) -> Any:
        return caller.post("email.send", {"to": {"email": to}, "message": song()}, headers=key)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(16)))
    job = answers[0].json()
    assert caller.ended(job)["status"] == "completed"
    answers.append(ask())
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    # A second message would have been on its way before this one.
    assert caller.ended(caller.email(address()))["status"] == "completed"
    assert [received.message["To"][0]["Email"] for received in system.mailjet.received].count(to) == 1
    assert system.mailjet.requests == 2
    assert len(caller.deliveries(recipient=to)) == 1


def test_what_happened_is_counted(system: System) -> None:
    caller = system.caller()
    assert caller.ended(caller.email(address()))["status"] == "completed"
    counted = r'^singr_sends_total\{channel="email",outcome="sent",provider="mailjet"\} [1-9]'
    until(
        lambda: re.search(counted, system.worker.get("/metrics").text, re.MULTILINE), within=5, what="the send counts"
    )
    assert re.search(
        r'^singr_http_requests_total\{method="POST",route="/v1/jobs",status="202"\} [1-9]',
        system.api.get("/metrics").text,
        re.MULTILINE,
    )
