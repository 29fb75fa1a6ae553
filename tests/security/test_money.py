"""S15 in full: codes for numbers that lie side by side, as whoever earns by them asks for them."""

from uuid import UUID, uuid4

import pytest
from faults.harness import ORGANIZATION, Site, until

from singr_comms import VerificationCodeSms
from singr_comms.notifications import SmsRequest, queue_message
from singr_config import DatabaseSettings, Secret
from singr_db import Database, Sealer
from singr_dev.simulators import TwilioSimulator

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

MESSAGES, AT_ONCE, MOST = 10_000, 500, 100


async def test_ten_thousand_codes_to_one_prefix_stop_at_the_limit_over_processes_without_redis(
    site: Site, twilio: TwilioSimulator
) -> None:
    """Half of them before Redis goes, half while it is away; four processes; several organizations."""
    site.environ |= {**twilio.environ, "SMS_PREFIX_LIMIT_MAX": str(MOST), "SMS_DAILY_LIMIT_MAX": "1000000"}
    organizations = [UUID(str(ORGANIZATION)), *(uuid4() for _ in range(3))]
    with site.run_worker("--processes", "4"):
        for first in range(0, MESSAGES, AT_ONCE):
            if first == MESSAGES // 2:
                site.servers.valkey.stop()
            await put(site, first, organizations[first // AT_ONCE % 4])
        until(lambda: site.count(OPEN) == 0, within=1200, what=lambda: f"{site.count(OPEN)} wait")
    assert 0 < len(twilio.received) <= 2 * MOST, "a new hour may have begun meanwhile"
    assert site.count("messages WHERE error ->> 'code' = 'prefix_limit'") == MESSAGES - len(twilio.received)


OPEN = "messages WHERE status IN ('queued', 'dispatched')"


async def put(site: Site, first: int, organization: UUID) -> None:
    """Codes for the next numbers of the prefix."""
    sealer, settings = Sealer(Secret(site.environ["AUTH_SECRET"])), DatabaseSettings(url=Secret(site.database_url))
    async with Database(settings, application_name="money") as database, database.platform() as session:
        for number in range(first, first + AT_ONCE):
            request = SmsRequest(
                to=f"+4915123{number:06}", message=VerificationCodeSms(code=f"{number:06}", expiry_minutes=60)
            )
            await queue_message(session, request, sealer=sealer, organization_id=organization)
