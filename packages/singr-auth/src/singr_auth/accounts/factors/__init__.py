"""Second factors: set up, listed, removed, and asked for at sign-in."""
