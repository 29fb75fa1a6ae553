"""One trace and one id, from the request for a message to what its provider calls back with."""

from collections.abc import Iterator
from typing import Any

import pytest
from comms_callbacks import mailjet
from comms_told import Desk, event
from loguru import logger

from singr_config import AppEnv, ObservabilitySettings
from singr_db import Database
from singr_observability import configure_tracing, correlation_id
from singr_observability.testing import CollectorStub

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector() -> Iterator[CollectorStub]:
    with CollectorStub() as stub:
        settings = ObservabilitySettings(otlp_endpoint=stub.endpoint, environment=AppEnv.TEST, traces_sample_rate=1.0)
        handle = configure_tracing(settings, component="worker")
        yield stub
        handle.shutdown()


async def test_callback_joins_the_trace_and_the_log_of_the_request_that_asked_for_the_message(
    db: Database, collector: CollectorStub
) -> None:
    desk, lines = Desk(db), list[str | None]()
    [first, second] = [await desk.sending(named=str(number)) for number in (1, 2)]
    await desk.sql("UPDATE messages SET correlation_id = 'request-' || provider_message_id")
    await desk.sql(
        "UPDATE jobs SET traceparent = :given WHERE id = (SELECT job_id FROM messages WHERE id = :id)",
        given=f"00-{TRACE}-b7ad6b7169203331-01",
        id=first,
    )
    news = [event("sent", one, number=number) for number, one in enumerate((first, second), 1)]
    webhook_id = await desk.take("mailjet", mailjet(news))
    assert webhook_id is not None

    def note(message: Any) -> None:
        if "tells of a message" in str(message):
            lines.append(correlation_id.get())

    sink = logger.add(note, level="INFO")
    try:
        await desk.webhooks.process(webhook_id, is_last_attempt=False)
    finally:
        logger.remove(sink)
    assert lines == ["request-1", "request-2"]
    span = collector.wait_for(lambda span: span.trace_id == TRACE)
    assert (span.name, span.kind, span.parent_span_id) == ("callback mailjet", "consumer", "b7ad6b7169203331")
    assert "jane" not in str(collector.received), "nothing personal"
    [told] = (await desk.read(first)).events
    assert told.webhook_id == webhook_id, "by which operators find the callback's own request"
