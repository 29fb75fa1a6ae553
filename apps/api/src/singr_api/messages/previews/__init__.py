"""Messages as their readers would get them, sent to nobody."""
