"""What must not be seen: hidden by key and by pattern, or masked."""
