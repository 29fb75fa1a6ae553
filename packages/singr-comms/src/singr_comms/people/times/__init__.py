"""By which clock people live: when they are not to be disturbed, and when their digests come."""
