"""Everything is killed at random under notifications, and each recipient has each once, or its reason: row R26."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from faults.harness import Site, until
from faults.notified_mix import Mix, Steering, account, appoint, call, calm, news, settle, trouble
from faults.test_faults_everything import WITHOUT_END, Parts, ask_now, quiet, under_kills
from faults.test_faults_providers import AUTH_SECRET, where
from providers_apart import Apart, kept_ports

MINUTES = max(2, int(os.environ.get("KILL_MINUTES", "10")))
NOTIFICATIONS, ROUNDS, SECONDS = 1_000 * MINUTES, 25 * MINUTES, 60.0 * MINUTES
_DECIDING = "notifications WHERE state IN ('scheduled', 'deciding')"


@pytest.mark.full
@pytest.mark.timeout(60 * MINUTES + 1800)
def test_everything_killed_at_random_under_notifications_loses_none_and_doubles_none(
    site: Site, tmp_path: Path
) -> None:
    """API, workers, their processes, both stores and the providers, whose own files are the truth."""
    mix, chance = Mix.of(NOTIFICATIONS, MINUTES), random.Random(26)
    keys = mix.keys
    chance.shuffle(keys)
    batches = [keys[first::ROUNDS] for first in range(ROUNDS)]
    settle(site, mix)
    with kept_ports(4) as (port, *ports):
        apart = Apart(tmp_path, (ports[0], ports[1], ports[2]))
        site.environ |= {**apart.environ, "AUTH_SECRET": AUTH_SECRET, "SMS_PREFIX_LIMIT_MAX": "1000000"}
        site.environ["PORT"] = str(port)
        parts, api = Parts(site, apart, chance, workers=2), f"http://127.0.0.1:{port}"
        with parts.running(), ThreadPoolExecutor(1) as beside, Steering(site, api, chance) as steering:
            appoint(site, mix, over=timedelta(seconds=SECONDS))

            def asked(batch: list[str]) -> dict[str, str]:
                trouble(apart, chance)
                steering.turn()
                return call(mix, site, api, batch)

            accepted = under_kills(parts, [partial(asked, one) for one in batches], SECONDS, beside)
            steering.resume_all()
            calm(apart)
            until(lambda: site.count(_DECIDING) == 0, within=600, what=lambda: f"all are decided: {site.jobs()}")
            quiet(site)
            ask_now(site, api)
            quiet(site)
            left = "notifications WHERE state <> 'done'"
            until(lambda: site.count(left) == 0, within=120, what=lambda: f"all are done: {where(site)}")
    assert set(accepted) == set(mix.keys)
    assert len(set(accepted.values())) == site.count("notifications") == len(mix.keys)
    ends = account(site, apart, mix)
    print(ends, parts.killed, f"{steering.paused} times paused", flush=True)  # noqa: T201 - to be read with -s
    news(site, apart, mix)
    assert steering.paused > 0
    assert site.count(WITHOUT_END) == site.count("message_attempts WHERE status = 'dispatched'") == 0, where(site)
