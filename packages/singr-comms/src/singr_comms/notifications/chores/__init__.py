"""What every worker process does for messages now and then; each file is one chore."""
