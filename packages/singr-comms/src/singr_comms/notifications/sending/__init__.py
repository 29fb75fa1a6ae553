"""One try at a stored message: what may be done, what is counted, and what came of it."""
