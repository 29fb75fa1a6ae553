"""What stands on our side of `outside_enqueuer.py`: a database, and a role that may enqueue and nothing else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psycopg

from singr_db import grant, new_id, upgrade
from singr_dev.embedded import EmbeddedServers

HERE = Path(__file__).resolve().parent
ROLE = "outside_billing"


def check_enqueuer(python: Path, folder: Path) -> None:
    """Let a Python that has the wheel of singr-jobs alone enqueue jobs under its own role.

    Raises:
        SystemExit: something went wrong there.
    """
    program = folder / "outside_enqueuer.py"
    program.write_bytes((HERE / "outside_enqueuer.py").read_bytes())
    with EmbeddedServers(folder / "servers") as servers:
        upgrade(servers.database_url)
        grant(servers.database_url, ROLE)
        organization = new_id()
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            insert = "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Outside', 'outside')"
            connection.execute(insert, (organization,))
            theirs = servers.database_url.replace("postgresql://singr@", f"postgresql+psycopg://{ROLE}@")
            given = json.dumps({"database_url": theirs, "organization_id": str(organization)})
            run = subprocess.run(
                [python, "-I", program],
                input=given,
                cwd=folder,
                check=False,
                timeout=120,
                capture_output=True,
                text=True,
            )
            stored = {str(row[0]) for row in connection.execute("SELECT id FROM jobs WHERE status = 'pending'")}
    if run.returncode or set(json.loads(run.stdout)) != stored or len(stored) != 2:
        raise SystemExit(f"a service with the wheel of singr-jobs alone cannot enqueue: {run.stderr}")
