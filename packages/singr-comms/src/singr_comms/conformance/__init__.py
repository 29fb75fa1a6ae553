"""What every provider over HTTP must do, as a suite that any provider can be run through with pytest.

A subclass of `HttpProviderSuite` in a test module, with a name that begins with `Test`, says how to build the provider
(`build`) and how its service answers (`taken`, `refused`); the README shows one. It needs no simulator: a peer on
loopback gives the answers that are asked for, and those that no provider should give. A test that fails says what is
wrong and what to do.
"""

from singr_comms.conformance._peer import Reply, Request
from singr_comms.conformance._suite import HttpProviderSuite

__all__ = ["HttpProviderSuite", "Reply", "Request"]
