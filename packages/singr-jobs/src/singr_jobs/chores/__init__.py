"""What every worker process does for jobs now and then; each file is one chore."""
