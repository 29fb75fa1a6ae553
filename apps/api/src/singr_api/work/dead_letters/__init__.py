"""Dead letters: jobs that failed for good."""
