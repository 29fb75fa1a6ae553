"""What the guides about people tell a shell to do, a shell does, against the real API."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from singr_comms.notifying import FanOut
from singr_db import Database
from singr_dev.testing import absent

GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guides"
# What fails stops the shell; each answer ends its line.
PRELUDE = 'set -eu\ncurl() { command curl --fail-with-body --noproxy "*" "$@"; echo; }\n'


@pytest.fixture
def shell(api_url: str, world: Any, tmp_path: Path) -> Any:
    """Runs what a guide shows; gives the answers."""
    if shutil.which("curl") is None:
        absent("no curl is installed here (Debian: apt-get install curl)")

    async def run(script: str, **variables: str) -> list[Any]:
        environ = {"PATH": os.environ["PATH"], "SINGR_URL": api_url, "HOME": str(tmp_path), **variables}
        running = await asyncio.create_subprocess_exec(
            *("bash", "-c", PRELUDE + script),
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await running.communicate()
        assert running.returncode == 0, (out + err).decode()
        return [json.loads(line) for line in out.decode().splitlines() if line]

    return run


def scripts(guide: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", (GUIDES / guide).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


async def test_the_lines_of_the_guides_tell_people_and_let_them_choose(
    api_url: str, client: Any, someone: Any, world: Any, shell: Any, db: Database
) -> None:
    owner = await someone(member="customer_owner")
    desk = client(api_url, owner)
    form = {"name": "parcels", "scopes": ["notifications:read", "notifications:write"]}
    made = await desk.post("/v1/api-keys", json=form, headers=world.key())
    service = {"SINGR_API_KEY": made.json()["secret"]}
    [telling] = scripts("notify-people.md")
    jane, topic, told, listed, moved = await shell(telling, **service)
    assert (jane["external_id"], jane["email"], jane["tags"]) == ("u-17", "j***@example.org", ["regular"])
    assert (topic["added"], told["state"], told["is_new"], moved["is_new"]) == (1, "deciding", True, True)
    assert [one["id"] for one in listed["items"]] == [told["id"]]
    assert await FanOut(db).run(told["id"], organization_id=world.organization, turn=1) == 1

    of_service, of_person = scripts("let-people-choose.md")
    open_, chosen, explained = await shell(of_service, **service)
    assert open_["choices"] == []
    assert [(one["name"], one["channel"], one["allowed"]) for one in chosen["choices"]] == [("general", "email", False)]
    assert explained["rule"] == "recipient:category+channel"
    await desk.put("/v1/recipients/owner", json={"user_id": str(owner.user_id)})
    theirs = {"ACCESS_TOKEN": owner.token, "ORGANIZATION": str(world.organization)}
    _, changed = await shell(of_person, **theirs)
    assert [(one["scope"], one["channel"], one["source"]) for one in changed["choices"]] == [
        ("all", "inbox", "recipient")
    ]
