"""Job types of this room; each file declares one as `JOBS`."""
