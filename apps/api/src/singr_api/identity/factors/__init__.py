"""A person's own second factors, backup codes, devices and phone number."""
