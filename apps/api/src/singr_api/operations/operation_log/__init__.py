"""The operation log: who did what to what."""
