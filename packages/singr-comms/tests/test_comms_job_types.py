"""Job types beside those that send: each is a file that nobody lists."""

import sys
from pathlib import Path

import pytest

from singr_comms.notifications import job_types, message_jobs
from singr_jobs import EnqueueError

SOURCE = '''
import msgspec
from singr_jobs import Exponential, JobContext, Jobs, Queue
JOBS = Jobs()
class DimStage(msgspec.Struct, frozen=True, tag="stage.dim"):
    """Dim one stage."""
@JOBS.handler(DimStage, queue=Queue.DEFAULT, attempts=3, backoff=Exponential(2.0), timeout=30)
async def dim_stage(job: DimStage, ctx: JobContext) -> None:
    """Dim it."""
'''


def test_a_file_with_a_job_type_is_found_by_workers_and_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnqueueError):
        message_jobs().named("stage.dim")
    (tmp_path / "dim_stage.py").write_text(SOURCE)
    monkeypatch.setattr(job_types, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{job_types.__name__}.dim_stage", raising=False)
    assert message_jobs().named("stage.dim").name == "stage.dim"
