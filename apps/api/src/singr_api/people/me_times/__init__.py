"""When people are not to be disturbed and when their digests come, as they read and set it themselves."""
