"""The directory `.singr/`: data, logs, secrets, and who runs there."""

import fcntl
import io
import os
import shutil
import time
from pathlib import Path

import msgspec

from singr_dev._errors import DevError

STATE_VARIABLE = "SINGR_STATE_DIR"
_WORKSPACE_MARK = "[tool.uv.workspace]"
_NOT_DATA = ("up.lock", "start.lock", "owner.lock")


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is while `singr-dev up` runs; written to `.singr/runtime.json` (for this user's eyes only).

    Attributes:
        pid: the process to send SIGTERM to.
        children: process ids of API and worker.
        environ: what their environment has beside the developer's own.
        mail_in_inbox: whether e-mail goes to the inbox (no other provider was configured).
        sms_in_simulator: the same for SMS.
        push_in_simulator: the same for pushes.
        key_id: key id of the development service credential; its secret is in `dev.env`.
    """

    pid: int
    api: str
    docs: str
    worker: str
    inbox: str
    smtp: str
    twilio: str
    fcm: str
    resend: str
    database_url: str
    redis_url: str
    organization_id: str
    key_id: str
    signing_secret: str
    api_key: str
    mail_in_inbox: bool = True
    sms_in_simulator: bool = True
    push_in_simulator: bool = True
    children: dict[str, int] = {}
    environ: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Runtime({self.pid!r}, {self.api!r})"  # the secrets are for the file, not for tracebacks

    def addresses(self) -> list[tuple[str, str]]:
        """Name and address of all that a person opens."""
        return [("API", self.api), ("API documentation", self.docs), ("Inbox", self.inbox)]


class StateDirectory:
    """One `.singr/` directory.

    Args:
        path: the directory; found by `SINGR_STATE_DIR`, else in the workspace above the current directory, else in the
            current directory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or _find()).resolve()
        self._lock: io.FileIO | None = None

    @property
    def secrets(self) -> Path:
        """Development secrets, in the form of a `.env` file."""
        return self.path / "dev.env"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.path / "logs"

    @property
    def inbox(self) -> Path:
        """The mails."""
        return self.path / "inbox"

    @property
    def objects(self) -> Path:
        """What the object store keeps."""
        return self.path / "objects"

    @property
    def greeted(self) -> Path:
        """Exists once the first message went down the whole path."""
        return self.path / "first-message.txt"

    def prepare(self) -> None:
        """Make the directory, out of version control wherever it is."""
        self.logs.mkdir(parents=True, exist_ok=True)
        (self.path / ".gitignore").write_text("*\n")

    def acquire(self) -> bool:
        """Become the one that runs here; False when another process does. Lasts until `release`, or our end."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = (self.path / "up.lock").open("ab+", buffering=0)  # a buffer would complain of a full disk once more
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        self._lock = file
        return True

    def release(self) -> None:
        """Let another process run here."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def runner(self) -> int | None:
        """The process that runs here; None when nobody does."""
        if not (self.path / "up.lock").exists():
            return None
        if self.acquire():
            self.release()
            return None
        try:
            return int((self.path / "up.lock").read_text())
        except ValueError:
            return 0  # between taking the lock and writing it down

    def publish(self, runtime: Runtime) -> None:
        """Tell other processes where everything is."""
        write_private(self.path / "runtime.json", msgspec.json.format(msgspec.json.encode(runtime)).decode())

    def retract(self) -> None:
        """Nothing runs here any more."""
        (self.path / "runtime.json").unlink(missing_ok=True)

    def runtime(self) -> Runtime | None:
        """What was published last; only right while `runner` says that somebody runs."""
        try:
            return msgspec.json.decode((self.path / "runtime.json").read_bytes(), type=Runtime)
        except (OSError, msgspec.DecodeError):
            return None

    def running(self, seconds: float = 0) -> Runtime | None:
        """Where everything is; waits so long for a run that is just starting. None when nobody runs, or is ready."""
        deadline = time.monotonic() + seconds
        while self.runner() is not None:
            if runtime := self.runtime():
                return runtime
            if time.monotonic() > deadline:
                return None
            time.sleep(0.1)
        return None

    def reset(self) -> None:
        """Delete all data, logs, mails and secrets in it.

        Raises:
            DevError: somebody runs here.
        """
        if not self.acquire():
            raise DevError(f"Singr runs in {self.path}: stop it first, with: make down")
        try:
            for item in self.path.iterdir():
                if item.name in _NOT_DATA:
                    continue
                shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        finally:
            self.release()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)


def _find() -> Path:
    if named := os.environ.get(STATE_VARIABLE):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        manifest = folder / "pyproject.toml"
        if manifest.is_file() and _WORKSPACE_MARK in manifest.read_text(errors="replace"):
            return folder / ".singr"
    return here / ".singr"
