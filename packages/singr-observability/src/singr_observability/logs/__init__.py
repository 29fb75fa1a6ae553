"""Lines of the log: from a call, or an exception, to the bytes in the sink."""
