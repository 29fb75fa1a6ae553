"""How many messages came to what."""
