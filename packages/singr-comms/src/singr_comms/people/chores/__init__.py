"""What every worker process does for people now and then; each file is one chore."""
