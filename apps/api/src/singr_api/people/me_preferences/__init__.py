"""What people want to be told, as they read and set it themselves."""
