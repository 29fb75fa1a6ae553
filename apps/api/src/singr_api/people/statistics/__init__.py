"""How many messages to one person came to what."""
