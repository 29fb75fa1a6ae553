"""Has the tests of a parallel run collected once, and not by each of its processes (`--collect-once`).

One process loads and collects them, which costs seven CPU-seconds, and each worker of pytest-xdist begins as a copy of
it (`_collector.py`). Where it has something that cannot be shared (a thread, an open socket), or pytest has something
to tell (a test that cannot be loaded, a warning), each worker collects for itself, as ever.
"""

import inspect
import json
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import execnet
import pytest
from xdist import remote, workermanage

_HERE = Path(__file__).parent
_RUN = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
_, file, listening, asked = sys.argv
sys.argv[:] = ["-c"]
spec = spec_from_file_location("singr_collector", file)
sys.modules[spec.name] = collector = module_from_spec(spec)
spec.loader.exec_module(collector)
collector.main(int(listening), asked)
"""
# Told to each process by execnet; what is no copy does as ever. It imports nothing that pytest may want to rewrite.
_DO = """
import sys
if (collector := sys.modules.get("singr_collector")) is not None:
    collector.take(channel)
else:
    exec({otherwise!r})
"""


class CollectOnce:
    """Starts a process that collects, and has each of xdist's workers begin as a copy of it."""

    def __init__(self) -> None:
        self._place = ""
        self._process: subprocess.Popen[bytes] | None = None

    def pytest_xdist_setupnodes(self, config: pytest.Config, specs: list[Any]) -> None:
        """Start it, unless workers are asked for elsewhere or otherwise."""
        if any(not spec.popen or spec.python or spec.chdir for spec in specs):
            return
        given = SimpleNamespace(workerinput={})
        config.hook.pytest_configure_node(node=given)  # as xdist will for each
        self._place = tempfile.mkdtemp(prefix="singr-collected-")
        address = f"{self._place}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(len(specs))
            asked = {
                "path": workermanage._sys_path,  # what xdist gives its workers
                "args": [str(each) for each in config.invocation_params.args],
                "prog": Path(sys.argv[0]).name,
                "workerinput": given.workerinput,
            }
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, _HERE / "_collector.py", str(listener.fileno()), json.dumps(asked)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # as xdist's
                pass_fds=[listener.fileno()],
            )
        python = shlex.join([sys.executable, "-I", "-S", str(_HERE / "_copy.py"), address])
        specs[:] = [execnet.XSpec(f"{spec}//id={spec.id}//python={python}") for spec in specs]

    def pytest_xdist_getremotemodule(self) -> str:
        """Say what the workers do, copies or not."""
        return _DO.format(otherwise=inspect.getsource(remote))

    def pytest_unconfigure(self) -> None:
        """Wait until it has ended, with all its copies: what they cost is in the run's sum."""
        if self._process is not None:
            self._process.communicate()
            shutil.rmtree(self._place)
