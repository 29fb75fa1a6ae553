"""The ways in: a caller's own transaction, and requests over HTTP, many to a transaction; and the word to workers."""
