"""A database that fits this version of Singr: brought there, filled, granted to others, checked."""
