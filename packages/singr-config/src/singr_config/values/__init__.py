"""What a variable's text may be, and what becomes of it: kinds, choices, keys, secrets."""
