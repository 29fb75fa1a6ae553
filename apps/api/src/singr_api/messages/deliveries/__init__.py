"""The delivery log: what became of each message."""
