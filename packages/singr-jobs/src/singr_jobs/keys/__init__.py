"""What jobs with a key wait for: limits by key, declared with the type and counted from what runs (decision 73)."""
