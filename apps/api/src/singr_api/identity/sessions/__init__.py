"""Sessions: refreshed, listed and ended; the second step of a sign-in; and fresh proofs of presence."""
