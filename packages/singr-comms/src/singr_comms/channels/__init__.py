"""How messages travel: each channel by itself."""
