"""What stands on our side of services outside: a database and who may use it, and providers that are simulators."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path

import psycopg
from outside_teams import check_teams

from singr_db import grant, new_id, upgrade
from singr_dev.embedded import EmbeddedServers
from singr_dev.simulators import fcm, mailjet, twilio

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "docs/guides/examples"
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


def check_workers(python: Path, folder: Path) -> None:
    """Let a Python that has the wheel of singr-jobs with its worker be two teams with queues of their own.

    Raises:
        AssertionError: something went wrong there.
    """
    with EmbeddedServers(folder / "servers") as servers:
        upgrade(servers.database_url)
        check_teams(python, folder, servers.database_url, servers.redis_url)


def check_messages(python: Path, folder: Path) -> None:
    """Let a Python that has the wheel of singr-comms send messages of types that it declares itself.

    Raises:
        SystemExit: something went wrong there.
    """
    program = folder / "outside_messages.py"
    program.write_bytes((HERE / "outside_messages.py").read_bytes())
    shutil.copytree(EXAMPLES / "parcel_messages", folder / "parcel_messages")
    installed = folder / "parcel_messages-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: parcel-messages\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[singr_comms.message_types]\nparcels = parcel_messages\n")
    with EmbeddedServers(folder / "servers") as servers:
        upgrade(servers.database_url)
        organization = new_id()
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            insert = "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Parcels', 'parcels')"
            connection.execute(insert, (organization,))
        run = subprocess.run(
            [python, program],
            input=json.dumps({"database_url": servers.database_url, "organization_id": str(organization)}),
            cwd=folder,
            check=False,
            timeout=120,
            capture_output=True,
            text=True,
        )
    found = json.loads(run.stdout) if run.returncode == 0 else {}
    if (
        found.get("log") != ["email parcel_ready sent", "sms parcel_ready sent", "sms pickup_code sent"]
        or found["repeated"] != ["pickup_code"]
        or "its words are missing: write sms.txt" not in found["refused"][0]
        or "there is one of this name already" not in found["refused"][1]
    ):
        raise SystemExit(f"a service with the wheel of singr-comms cannot send its own messages: {run.stderr}{found}")


def check_readers(python: Path, folder: Path) -> None:
    """Let a Python that has the wheel of singr-comms tell people by four ways, with the service that the guide shows.

    It has its own type, its own recipients and its own worker; what becomes of each message it reads itself, and here
    it is seen what reached the providers. Then it runs the tests that the guide shows.

    Raises:
        SystemExit: something went wrong there.
    """
    for path in ("parcel_orders.py", "parcel_readers.py", "test_parcel_readers.py"):
        shutil.copy(EXAMPLES / path, folder / path)
    shutil.copytree(EXAMPLES / "parcel_messages", folder / "parcel_messages", dirs_exist_ok=True)
    organization = new_id()
    with (
        EmbeddedServers(folder / "readers") as servers,
        mailjet.serve() as mails,
        twilio.serve() as texts,
        fcm.serve() as pushes,
    ):
        upgrade(servers.database_url)
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            insert = "INSERT INTO organizations (id, name, slug) VALUES (%s, 'Parcels', 'parcels')"
            connection.execute(insert, (organization,))
        environ = {"APP_ENV": "test", "DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
        environ |= mails.environ | texts.environ | pushes.environ
        run = subprocess.run(
            [python, "parcel_readers.py"],
            env={"PATH": os.environ["PATH"], "SINGR_ORGANIZATION": str(organization), **environ},
            cwd=folder,
            check=False,
            timeout=120,
            capture_output=True,
            text=True,
        )
        reached = (len(mails.received), len(texts.received), len(pushes.received))
    told = [ast.literal_eval(line) for line in run.stdout.splitlines()]
    everywhere = {"email": "sent", "sms": "sent", "push": "sent", "inbox": "delivered"}
    item = "Your parcel is here: It waits for you at Corner."
    if told != [everywhere, everywhere | {"sms": "suppressed: preference"}, [item, item]] or reached != (2, 1, 2):
        raise SystemExit(
            f"a service with the wheel of singr-comms cannot tell its readers: {run.stderr}{told}{reached}"
        )
    if subprocess.run([python, "-m", "pytest", "-q", "test_parcel_readers.py"], cwd=folder, check=False).returncode:
        raise SystemExit("a service with the wheel of singr-comms cannot test whom it tells")
