"""PostgreSQL refuses to run as root: how to run it without those rights, without widening anyone else's.

In order: as the user we are (when that is not root), as `nobody` where that user can reach the programs and the data,
in a user namespace of its own, else not at all, with advice. Parent directories are never changed.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from singr_dev._errors import EmbeddedError

_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
_USER_VARIABLE = "SINGR_EMBEDDED_USER"


@dataclass(frozen=True)
class RunAs:
    """How to start a program: a command prefix, arguments for `Popen`, and who must own the files."""

    owner: tuple[int, int]
    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)

    def own(self, path: Path) -> None:
        """Give `path`, and all in it, to this user."""
        if os.geteuid() != 0 or not path.exists() or path.lstat().st_uid == self.owner[0]:
            return
        for folder, _, files in os.walk(path):
            os.chown(folder, *self.owner, follow_symlinks=False)
            for name in files:
                os.chown(Path(folder) / name, *self.owner, follow_symlinks=False)


def _succeeds(command: list[str], **popen: Any) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, cwd="/", **popen).returncode == 0  # noqa: S603 — own programs
    except OSError:
        return False


def _as_nobody(program: Path, directories: tuple[Path, ...]) -> RunAs | None:
    try:
        user = pwd.getpwnam(os.environ.get(_USER_VARIABLE, "nobody"))
    except KeyError:
        return None
    popen = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    reachable = all(_succeeds(["/usr/bin/env", "test", "-x", str(folder)], **popen) for folder in directories)
    if reachable and _succeeds([str(program), "--version"], **popen):
        return RunAs(owner=(user.pw_uid, user.pw_gid), popen=popen)
    return None


def _in_namespace(program: Path) -> RunAs | None:
    if shutil.which("unshare") and _succeeds([*_NAMESPACE, str(program), "--version"]):
        return RunAs(owner=(0, 0), prefix=_NAMESPACE)
    return None


def run_as(program: Path, *, data: Path, sockets: Path) -> RunAs:
    """How to run `program` (absolute path) over `data`, with its socket in `sockets`.

    Raises:
        EmbeddedError: we are root, and neither way round it is open.
    """
    if os.geteuid() != 0:
        return RunAs(owner=(os.geteuid(), os.getegid()))
    found = _as_nobody(program, (data.parent, sockets.parent)) or _in_namespace(program)
    if found is not None:
        return found
    raise EmbeddedError(
        f"PostgreSQL does not run as root. Here user nobody cannot reach {program.parent} or {data.parent}, "
        "and user namespaces are off. Run as an ordinary user, or set SINGR_STATE_DIR to a directory that others may "
        "enter (for example /var/lib/singr), or set DATABASE_URL to a server of yours."
    )


def private_directory(path: Path, *, mode: int = 0o700) -> Path:
    """Make `path` (or take it as it is) and refuse one that another user prepared for us."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or (os.geteuid() != 0 and found.st_uid != os.geteuid()):
        raise EmbeddedError(f"{path} exists and is not ours: remove it")
    return path
