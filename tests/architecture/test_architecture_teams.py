"""Two teams of strangers, with queues and job types of their own, work on one database."""

from __future__ import annotations

import sys
from pathlib import Path

from architecture.outside_teams import check_teams


def test_teams_with_queues_of_their_own_work_beside_one_another(
    tmp_path: Path, database_url: str, clean_redis_url: str
) -> None:
    """As the wheels are tried (`install_wheels.py`), here with what lies in the workspace."""
    check_teams(sys.executable, tmp_path, database_url, clean_redis_url)
