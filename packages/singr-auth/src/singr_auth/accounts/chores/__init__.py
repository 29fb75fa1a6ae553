"""What every worker process does for accounts now and then; each file is one chore."""
