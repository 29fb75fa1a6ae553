"""Stores that go back to an earlier moment under running processes, as where a backup is restored: row R37."""

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from fault_jobs import Note, Work
from faults.harness import API_KEY, Site, until
from faults.test_faults_stores import email

from singr_db._cli import main
from singr_dev.embedded._binaries import postgres_programs

full = pytest.mark.full
LATER = (datetime.now(UTC) + timedelta(days=7)).isoformat(timespec="seconds")
OPEN = "jobs WHERE status <> 'completed' AND type LIKE 'fault.%'"


class Backup:
    """A dump of a site's database, and the way back to it."""

    def __init__(self, site: Site, path: Path) -> None:
        self._site, self._path = site, path
        self._run("pg_dump", "--format=custom", f"--file={path}", site.database_url)

    def restore(self) -> None:
        """Into a database of another name, which then takes the place of the one that is in use."""
        name = urlsplit(self._site.database_url).path.removeprefix("/")
        server = self._site.servers.postgres
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE restored")
            self._run("pg_restore", "--exit-on-error", "--dbname", server.url("restored"), str(self._path))
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            admin.execute(f"ALTER DATABASE restored RENAME TO {name}")

    @staticmethod
    def _run(tool: str, *arguments: str) -> None:
        done = subprocess.run([postgres_programs() / tool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def submitted(address: str, key: str) -> str:
    """The id of the job that is answered under a key."""
    headers = {"x-api-key": API_KEY, "idempotency-key": key}
    body = email(1) | {"run_at": LATER}
    answer = httpx.post(f"{address}/v1/jobs", json=body, headers=headers, timeout=15.0, trust_env=False)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("number", [20, pytest.param(300, marks=full)])
async def test_what_was_open_in_a_restored_database_is_done_and_what_had_ended_is_not(
    site: Site, tmp_path: Path, number: int
):
    """R37: under running processes, none of which ends; Redis, which is newer, is kept."""
    ended, again = tmp_path / "ended", tmp_path / "again"
    for path in (ended, again):
        path.touch()
    with site.api() as api, site.worker(processes=2, lease=4.0) as worker:
        children = worker.children()
        kept_id = submitted(api.address, "kept")
        await site.put(*[Note(str(ended))] * number)
        until(lambda: not site.count(OPEN), within=120, what=site.jobs)
        await site.put(*[Note(str(again), 2.0)] * number)
        # It is in hand in both.
        [long] = await site.put(Work(20.0))
        until(lambda: site.in_hand() >= 10, within=30, what=site.jobs)
        backup = Backup(site, tmp_path / "dump")
        until(lambda: site.count(OPEN) <= 1, within=120, what=site.jobs)
        lost_id = submitted(api.address, "lost")
        await site.put(*[Work(2.0)] * 40)
        backup.restore()
        for command in ("upgrade", "restored"):
            assert await asyncio.to_thread(main, [command], environ=site.environment) == 0
        new = await site.put(*[Work()] * 20)
        until(lambda: not site.count(OPEN), within=120, what=site.jobs)
        assert ended.read_text().count("\n") == number
        assert number < again.read_text().count("\n") <= 2 * number, "they were open, so they ran again, once"
        assert site.count("jobs WHERE type = 'fault.work'") == 21, "what came later is forgotten"
        assert site.count("marks WHERE what = 'done' AND job_id = ANY (%s)", ([*new, long],)) == 21
        assert submitted(api.address, "kept") == kept_id
        assert submitted(api.address, "lost") != lost_id
        assert worker.children() == children, "no process ended"
        until(lambda: worker.healthy() and api.healthy(), within=20, what="both are healthy")
        until(lambda: site.count("workers WHERE seen_at > now() - interval '7 s'") == 2, within=20, what="they say so")


async def test_redis_that_goes_back_to_an_earlier_state_does_nothing_twice(site: Site):
    """R37: tickets that were accepted long ago come again, and begin nothing."""
    valkey = site.servers.valkey
    older = valkey.data.with_name("older")
    with site.worker(processes=2, lease=4.0) as worker:
        children = worker.children()
        for _ in range(10):
            site.put_quick()  # what comes next is taken ahead, and handed over
            site.put_many(40, seconds=1.0)
            until(lambda: site.in_hand() > 0, within=60, what=site.jobs)
            shutil.rmtree(older, ignore_errors=True)
            shutil.copytree(valkey.data, older)
            if any(b"singr:tickets" in one.read_bytes() for one in older.rglob("*") if one.is_file()):
                break
        else:
            raise AssertionError("nothing was handed over: this has shown nothing")
        until(lambda: not site.count(OPEN), within=120, what=site.jobs)
        valkey.kill()
        shutil.rmtree(valkey.data)
        shutil.move(older, valkey.data)
        valkey.start()
        site.put_many(40, seconds=0.1)
        until(lambda: not site.count(OPEN), within=60, what=site.jobs)
        assert worker.children() == children, "no process ended"
    assert site.count("jobs WHERE attempt <> 1") == 0
    assert site.count("(SELECT FROM marks WHERE what = 'done' GROUP BY job_id HAVING count(*) > 1) AS twice") == 0
