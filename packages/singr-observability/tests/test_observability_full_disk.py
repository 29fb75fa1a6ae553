"""A disk without room under the metrics' files: the numbers go, the process stays."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from singr_dev.testing import absent

PROGRAM = """
import os, sys
from pathlib import Path
from singr_observability import build_metrics, mark_process_dead, prepare_multiprocess_dir
small = Path(sys.argv[1])
directory = prepare_multiprocess_dir(small / "metrics")
if sys.argv[2] == "before":
    filler = os.open(small / "filler", os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(filler, bytes(4096)):
            pass
    except OSError:
        pass
metrics = build_metrics(directory)
for number in range(5_000):
    metrics.jobs_total.labels("default", f"type-{number}", "completed").inc()
metrics.flush()
text, _ = metrics.render_text()
metrics.flush()
metrics.close()
mark_process_dead(os.getpid(), directory)
mark_process_dead(os.getpid(), small / "never made")
print("alive")
"""


@pytest.mark.parametrize("full", ["before", "meanwhile"])
def test_a_full_disk_costs_metrics_and_no_process(tmp_path: Path, full: str):
    unshare = shutil.which("unshare")
    small = tmp_path / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=128k none "$1" && exec "$2" -c "$3" "$1" "$4"'
    own = [unshare or "", "--mount", "--map-root-user"]
    if unshare is None or subprocess.run([*own, "true"], check=False, capture_output=True).returncode:
        absent("no file system of one's own can be mounted here (unshare --mount --map-root-user)")
    done = subprocess.run(
        [*own, "sh", "-c", script, "sh", str(small), sys.executable, PROGRAM, full],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
    assert "metrics are not written" in done.stderr


def test_metrics_whose_directory_is_gone_still_answer(tmp_path: Path):
    from singr_observability import build_metrics  # noqa: PLC0415 - here alone

    metrics = build_metrics(tmp_path / "metrics")
    metrics.jobs_total.labels("default", "kind", "completed").inc()
    metrics.flush()
    shutil.rmtree(tmp_path / "metrics")
    assert b'singr_jobs_total{outcome="completed",queue="default",type="kind"} 1.0' in metrics.render_text()[0]
    metrics.close()
