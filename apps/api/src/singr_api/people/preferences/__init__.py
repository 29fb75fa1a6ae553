"""What people want to be told, as their organization reads and sets it; and what it has where they say nothing."""
