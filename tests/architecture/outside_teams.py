"""Two teams outside the workspace, each with `outside_worker.py`, on one database of ours."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from singr_db import new_id

PROGRAM = Path(__file__).resolve().with_name("outside_worker.py")
NUMBER = 7
DIED = 9
# Seconds after which a team that says nothing more is ended.
PATIENCE = 90.0


class Team:
    """One process of one team."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def hears(self, word: str) -> dict[str, Any]:
        """The next thing it says that has this word in it; what it says before that is passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if word in said:
                return said
        raise AssertionError(f"a team ended, with {self.process.wait()}, before it said: {word}")

    def leave(self) -> dict[str, Any]:
        """Tell it to stop, and return its last words."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.hears("labels")


def check_teams(python: Path | str, folder: Path, database_url: str, redis_url: str) -> None:
    """Let two teams work at once on one database: each does its own jobs, and finds what the other's lost.

    Raises:
        AssertionError: something went wrong there.
    """
    organization = new_id()
    with psycopg.connect(database_url, autocommit=True) as connection:
        insert = "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Teams', 'teams')"
        connection.execute(insert, (organization,))
    (folder / PROGRAM.name).write_bytes(PROGRAM.read_bytes())
    common = {"database_url": database_url, "redis_url": redis_url, "organization_id": str(organization)}

    @contextmanager
    def team(name: str, job_id: str | None = None, *, killed: bool = False) -> Iterator[Team]:
        command = [str(python), "-I", PROGRAM.name, name]
        with subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            ending = threading.Timer(PATIENCE, process.kill)
            ending.start()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps({**common, "job_id": job_id, "killed": killed}) + "\n")
                process.stdin.flush()
                yield Team(process)
            finally:
                ending.cancel()
                process.kill()

    def done(name: str, attempt: int, before: list[str]) -> dict[str, Any]:
        result = {"by": name, "number": NUMBER, "attempt": attempt}
        return {"queue": f"team-{name}", "result": result, "before": before}

    with team("songs") as songs:
        assert songs.hears("result") == done("songs", 1, [])
        with team("venues", killed=True) as dying:
            job_id = dying.hears("enqueued")["enqueued"]
            assert dying.process.wait() == DIED
        lost = songs.hears("lost")
        assert lost == {"lost": job_id, "queue": "team-venues", "type": "venues.work"}
        with team("venues", job_id) as venues:
            assert venues.hears("result") == done("venues", 2, ["lost"])
            assert venues.leave()["labels"] == ["team-venues"]
        last = songs.leave()
    assert last["labels"] == ["other", "team-songs"], last
    assert "there is no queue 'team-nobody'" in last["refused"], last
