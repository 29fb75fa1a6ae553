"""The parts of prometheus_client that carry no types, in one place."""

from typing import Any, Final

from prometheus_client import utils as _utils
from prometheus_client.mmap_dict import MmapedDict as _MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector as _MultiProcessCollector

# Any: calling an untyped function is an error in strict mode, and prometheus_client has not annotated these.
MmapedDict: Final[Any] = _MmapedDict
MultiProcessCollector: Final[Any] = _MultiProcessCollector
float_to_go_string: Final[Any] = _utils.floatToGoString
