"""How long messages are kept: what they say, and that they were sent, by category; and what ends that time."""
