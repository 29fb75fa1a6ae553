"""The set of jobs that `--jobs module:attribute` names, and the queues of `--queues`."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from singr_jobs import Jobs, Queue, QueueError


class JobsPathError(Exception):
    """`--jobs` names no set of jobs; the message says which part of it does not exist, or is something else."""


def load_jobs(path: str) -> Jobs | None:
    """Import the set of jobs at `module:attribute`, looked for in the working directory too; none named: None.

    Raises:
        JobsPathError: there is no such module or attribute, or it is no `singr_jobs.Jobs`.
    """
    if not path:
        return None
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise JobsPathError(f"--jobs {path}: needs module:attribute, such as billing.tasks:jobs")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise JobsPathError(f"--jobs {path}: importing {module_name} needs a module {error.name}") from error
        raise JobsPathError(f"--jobs {path}: there is no module {error.name} (from {here} or installed)") from error
    try:
        found = getattr(module, attribute)
    except AttributeError as error:
        raise JobsPathError(f"--jobs {path}: module {module_name} has no {attribute}") from error
    if not isinstance(found, Jobs):
        raise JobsPathError(f"--jobs {path}: is a {type(found).__name__}, not a singr_jobs.Jobs")
    return found


def chosen_queues(names: Sequence[str]) -> list[Queue]:
    """The queues of these names; none named: all that are declared. Ask once the set of jobs is loaded.

    Raises:
        ValueError: there is no such queue.
    """
    try:
        return [Queue(name) for name in names] or list(Queue.declared())
    except QueueError as error:
        raise ValueError(f"--queues: {error}") from None
