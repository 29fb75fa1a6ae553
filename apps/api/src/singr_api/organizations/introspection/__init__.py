"""What an API key is worth, for services that are called with one."""
