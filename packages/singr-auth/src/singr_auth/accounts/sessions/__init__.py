"""Sessions: how they begin, go on, are listed and end, and how every process learns of it."""
