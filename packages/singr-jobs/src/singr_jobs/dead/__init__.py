"""Jobs that failed for good: found, looked into, given back to the queue or put away."""
