"""What every message is made of: its base, the types of its variables, and the checks that name what is wrong."""
