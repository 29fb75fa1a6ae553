"""What is written of how a try ended, or why there was none."""
