"""What became of messages, told: the story of one, why one would not go now, and how many came to what."""
