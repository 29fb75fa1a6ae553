"""The parts, built and handed in; processes and command line."""
