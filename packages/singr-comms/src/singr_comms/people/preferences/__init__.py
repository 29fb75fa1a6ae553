"""What people want to be told, by which way: their choices, their organization's defaults, and one rule over both."""
