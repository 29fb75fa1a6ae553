"""A provider that answers 503, 500, 429, nothing, or is not there: what is tried again, fails, or is in doubt."""

from datetime import datetime

import pytest
from sites import until

from acceptance.system import ENDED, System, address, number

pytestmark = pytest.mark.xdist_group("acceptance")


def test_provider_that_keeps_failing_fails_the_job_after_its_attempts(system: System) -> None:
    caller = system.caller()
    system.mailjet.fail_next(503, times=10)
    job = caller.ended(caller.email(address()))
    assert (job["status"], job["attempt"], job["max_attempts"]) == ("failed", 3, 3)
    assert system.mailjet.requests == 3, "as often as the type says, and no more"
    assert system.mailjet.received == []
    assert [(one["attempt"], one["outcome"]) for one in job["attempts"]] == [
        (1, "failed"),
        (2, "failed"),
        (3, "failed"),
    ]
    assert all("mailjet answered 503" in one["error"]["message"] for one in job["attempts"])
    assert job["error"] == job["attempts"][-1]["error"]
    delivery = caller.delivery(job)
    assert (delivery["status"], delivery["attempt_count"]) == ("failed", 3)
    assert [one["status"] for one in delivery["attempts"]] == ["failed"] * 3
    assert "mailjet answered 503" in delivery["error"]["message"]
    starts = [datetime.fromisoformat(one["started_at"]).timestamp() for one in delivery["attempts"]]
    first, second = starts[1] - starts[0], starts[2] - starts[1]
    assert first >= 0.9, "1 s, give or take the jitter"
    assert second >= 1.8, "doubled"


def test_attempts_are_as_many_as_the_caller_asked_for(system: System) -> None:
    caller = system.caller()
    system.twilio.fail_next(503, times=10)
    job = caller.ended(caller.sms(number(), attempts=1))
    assert (job["status"], job["attempt"], len(job["attempts"])) == ("failed", 1, 1)
    assert system.twilio.requests == 1


def test_provider_that_recovers_gets_the_message_once(system: System) -> None:
    caller = system.caller()
    system.twilio.fail_next(503)
    job = caller.ended(caller.sms(number()))
    assert (job["status"], job["attempt"], job["error"]) == ("completed", 2, None)
    assert [one["outcome"] for one in job["attempts"]] == ["failed"], "the history stays"
    delivery = caller.delivery(job)
    assert [one["status"] for one in delivery["attempts"]] == ["failed", "sent"]
    assert (delivery["status"], delivery["error"]) == ("sent", None)
    assert len(system.twilio.received) == 1


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_retry_after_is_honoured(system: System, channel: str) -> None:
    caller = system.caller()
    simulator = system.mailjet if channel == "email" else system.twilio
    simulator.fail_next(429, retry_after=4)
    job = caller.ended(caller.email(address()) if channel == "email" else caller.sms(number()))
    assert (job["status"], job["attempt"]) == ("completed", 2)
    first, second = caller.delivery(job)["attempts"]
    assert "429" in first["error"]["message"]
    waited = datetime.fromisoformat(second["started_at"]) - datetime.fromisoformat(first["finished_at"])
    assert waited.total_seconds() >= 3.9, "not the 1 s of the backoff"


def test_provider_that_does_not_answer_is_not_asked_twice_where_a_second_message_would_harm(system: System) -> None:
    caller = system.caller()
    system.twilio.hang_next(30, accept=True)
    job = caller.sms(number(), timeout=2)
    until(lambda: caller.delivery(job)["status"] == "unknown", within=20, what="the try was cut short")
    until(lambda: caller.job(job["id"])["status"] == "pending", within=20, what="its job waits for word of it")
    assert caller.delivery(job)["attempts"][0]["status"] == "unknown"
    assert (system.twilio.requests, len(system.twilio.received)) == (1, 1)


def test_provider_that_took_a_message_and_answered_500_is_asked_before_it_is_sent_twice(system: System) -> None:
    caller = system.caller()
    system.mailjet.accept_then_fail_next(500)
    job = caller.email(address())
    until(lambda: caller.delivery(job)["status"] == "unknown", within=20, what="nobody knows whether it was sent")
    delivery = caller.delivery(job)
    assert (delivery["attempts"][0]["status"], delivery["error"]["code"]) == ("unknown", "mailjet_http_500")
    assert caller.job(job["id"])["status"] == "pending", "in ten minutes it is asked"
    assert len(system.mailjet.received) == 1


def test_code_whose_fate_is_unknown_is_sent_again(system: System) -> None:
    caller = system.caller()
    system.twilio.accept_then_drop_next()
    code = {"kind": "verification_code", "code": "481516", "expiry_minutes": 5}
    job = caller.ended(caller.sms(number(), code))
    assert (job["status"], job["attempt"]) == ("completed", 2)
    assert [one["status"] for one in caller.delivery(job)["attempts"]] == ["unknown", "sent"]
    assert len(system.twilio.received) == 2


def test_message_the_provider_refuses_for_good_is_not_tried_again(system: System) -> None:
    caller = system.caller()
    job = caller.ended(caller.sms("+15005550001"))
    assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 1, "twilio_21211")
    assert system.twilio.requests == 1
    assert caller.delivery(job)["status"] == "failed"


def test_provider_that_is_not_there_is_waited_for_and_another_channel_goes_on(system: System) -> None:
    caller = system.caller()
    system.mailjet_outage.stop()
    try:
        job = caller.email(address(), attempts=8)
        until(lambda: caller.job(job["id"])["attempts"], within=20, what="a first attempt failed")
        assert caller.ended(caller.sms(number()))["status"] == "completed"
        assert caller.job(job["id"])["status"] not in ENDED, "the other channel does not wait for this one"
    finally:
        system.mailjet_outage.start()
    job = caller.ended(job)
    assert job["status"] == "completed"
    assert job["attempts"][0]["error"] == {
        "code": "connection",
        "message": "mailjet: the connection failed before the request was sent",
    }
    assert len(system.mailjet.received) == 1
    statuses = [one["status"] for one in caller.delivery(job)["attempts"]]
    assert statuses == ["failed"] * (len(statuses) - 1) + ["sent"]
