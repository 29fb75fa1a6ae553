"""The sections of the settings, and in each the variables that fill its fields."""
