"""What operators and developers look at: health, metrics, documentation, the pages of problems."""
