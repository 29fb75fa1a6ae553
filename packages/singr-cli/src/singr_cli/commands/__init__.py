"""The commands: a file for each group, which declares it as `COMMANDS` and is found by its name."""
