"""HTTP on the wire, the same on every port of Singr: limits on all that comes before, around and after a request.

Needs the extra `server` (uvicorn, httptools). Give `bounded(limits)` to `uvicorn.Config(http=…)`.
"""

from singr_config.extras import require_extra

require_extra("singr-observability", "server", "uvicorn", "httptools")

from singr_observability.server._limits import ENDLESS, WireLimits
from singr_observability.server._listening import listen_on
from singr_observability.server._protocol import BoundedProtocol, bounded

__all__ = ["ENDLESS", "BoundedProtocol", "WireLimits", "bounded", "listen_on"]
