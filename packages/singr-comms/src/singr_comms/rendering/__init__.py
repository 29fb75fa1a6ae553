"""Messages into words, and words into what is sent."""
