"""`make new route|job|template|provider NAME`: writes what CONTRIBUTING.md says of each, checked and in order."""
