"""Standing work: seen, paused and run by operators."""
