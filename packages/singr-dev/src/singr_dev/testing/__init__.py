"""What the pytest plugin is made of: shared servers, cloned databases, simulators as fixtures."""

from singr_dev.testing._absent import absent
from singr_dev.testing._databases import Cleaner, clone, drop
from singr_dev.testing._shared import SharedServers, SharedServersError

__all__ = ["Cleaner", "SharedServers", "SharedServersError", "absent", "clone", "drop"]
