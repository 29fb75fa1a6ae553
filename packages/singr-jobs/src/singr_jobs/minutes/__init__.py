"""What workers did in the last minutes: added up in memory, written by the minute, told of queues and types."""
