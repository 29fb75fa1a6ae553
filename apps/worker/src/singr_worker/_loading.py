"""The set of jobs that `--jobs module:attribute` names."""

import importlib
import sys
from pathlib import Path

from singr_jobs import Jobs


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
