"""Values of several processes, merged through files in prometheus_client's own format.

Each process writes its values to `{kind}_{pid}.db` files in one directory; whichever process is scraped reads all of
them. Counters and histograms of a dead process still count (they are folded into one file, so that restarts leave
no trail of files); its gauges do not.
"""

import fcntl
import json
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import mmap_key

from singr_observability.metrics._mapped import MappedValues
from singr_observability.metrics._prometheus import MmapedDict, MultiProcessCollector, float_to_go_string
from singr_observability.metrics._series import CounterSeries, Family, GaugeSeries, HistogramSeries

AnyFamily = Family[CounterSeries] | Family[GaugeSeries] | Family[HistogramSeries]

_GAUGE_KIND: Final = "gauge_livemostrecent"
_NOBODY: Final = 0  # no process has this id: the file of all dead ones
_READ_TRIES: Final = 5


def prepare_multiprocess_dir(directory: str | Path) -> Path:
    """Make the directory ready for a new set of processes: created if missing, files of an earlier set removed.

    Called once by whoever starts the processes, before it starts them.
    """
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    with _locked(path, exclusive=True):
        for file in path.glob("*.db"):
            file.unlink(missing_ok=True)
    return path


def mark_process_dead(pid: int, directory: str | Path) -> None:
    """Take a dead process's gauges away and fold its counters and histograms into the common file.

    Called by a supervisor when a process has ended; does nothing for a process that left no files. Where the disk has
    no room, or the directory is gone, the files stay as they are; one that cannot be read is dropped: no supervisor
    ends for a number.
    """
    with suppress(OSError):
        _settle(pid, Path(directory))


def _settle(pid: int, path: Path) -> None:
    with _locked(path, exclusive=True):
        for file in path.glob(f"gauge_*_{pid}.db"):
            file.unlink(missing_ok=True)
        for kind in ("counter", "histogram"):
            file = path / f"{kind}_{pid}.db"
            if file.exists():
                _fold(file, path / f"{kind}_{_NOBODY}.db")
                file.unlink()


def _fold(source: Path, target: Path) -> None:
    try:
        found = list(MmapedDict.read_all_values_from_file(str(source)))
    except (struct.error, RuntimeError, UnicodeDecodeError):
        return  # its process died as it made it, or the disk lost it: nothing there can be counted
    total = MappedValues(target)
    try:
        total.make_room([key for key, *_ in found])  # all of it or nothing: half would count twice
        for key, value, timestamp, _ in found:
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    finally:
        total.close()


@contextmanager
def _locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    descriptor = os.open(path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def read_all(path: Path) -> list[Metric]:
    """Return every metric of every process, merged.

    Read again when a file was caught in the moment of its creation; raises the error of the last try.
    """
    for left in reversed(range(_READ_TRIES)):
        try:
            with _locked(path, exclusive=False):
                return list(MultiProcessCollector(None, path=str(path)).collect())
        except (struct.error, FileNotFoundError, RuntimeError, json.JSONDecodeError):
            if not left:
                raise
            time.sleep(0.01)
    raise AssertionError("unreachable")


class ProcessFiles:
    """This process's files; not safe for threads: the owner holds a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, Any] = {}
        self._written: dict[str, float] = {}
        self._inherited: dict[str, float] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def write(self, families: Iterable[AnyFamily]) -> None:
        """Write what changed since the last call."""
        for family in families:
            kind = _GAUGE_KIND if family.kind == "gauge" else family.kind
            for labels, series in family.series():
                if isinstance(series, GaugeSeries):
                    if series.changed_at:
                        self._store(kind, self._keys_of(family, labels)[0], series.value, series.changed_at)
                    continue
                for key, number in zip(self._keys_of(family, labels), series.numbers(), strict=True):
                    self._store(kind, key, number, 0.0)

    def _store(self, kind: str, key: str, value: float, timestamp: float) -> None:
        if self._written.get(key) == value and not timestamp:
            return
        file = self._files.get(kind)
        if file is None:
            file = self._files[kind] = MappedValues(self._path / f"{kind}_{os.getpid()}.db")
        if key not in self._written:
            # A process id comes round again: what its last owner counted stays counted.
            self._inherited[key] = 0.0 if timestamp else file.read_value(key)[0]
        file.write_value(key, value + self._inherited[key], timestamp)
        self._written[key] = value

    def _keys_of(self, family: AnyFamily, labels: tuple[str, ...]) -> list[str]:
        place = (family.name, labels)
        keys = self._keys.get(place)
        if keys is None:
            keys = self._keys[place] = _keys(family, labels)
        return keys

    def close(self) -> None:
        """Close the files; they stay for the others to read."""
        for file in self._files.values():
            with suppress(ValueError):
                file.close()
        self._files.clear()


def _keys(family: AnyFamily, labels: tuple[str, ...]) -> list[str]:
    name, help_text, names, values = family.name, family.documentation, [*family.label_names], [*labels]
    if family.kind == "counter":
        return [mmap_key(name, f"{name}_total", names, values, help_text)]
    if family.kind == "gauge":
        return [mmap_key(name, name, names, values, help_text)]
    buckets = [
        mmap_key(name, f"{name}_bucket", [*names, "le"], [*values, float_to_go_string(bound)], help_text)
        for bound in family.buckets
    ]
    return [*buckets, mmap_key(name, f"{name}_sum", names, values, help_text)]
