"""A request takes one connection for sessions: as many as a process has may be under way at once."""

from typing import Any

import pytest
from api_serving import serving
from msgspec.structs import replace

from singr_api.app import create_app
from singr_config import Settings


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/{user_id}/sessions",
        "/v1/users/{user_id}/security-events",
    ],
)
async def test_a_request_waits_for_no_second_session(settings: Settings, client: Any, someone: Any, path: str) -> None:
    admin = await someone(platform="admin")
    one = replace(settings, database=replace(settings.database, pool_size=1))
    async with serving(create_app(one)) as url:
        answer = await client(url).get(path.format(user_id=admin.user_id), headers=admin.bearer)
    assert answer.status_code == 200, answer.text
