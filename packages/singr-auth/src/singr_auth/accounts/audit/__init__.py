"""The audit trail: written, read in pages, and exported for good."""
