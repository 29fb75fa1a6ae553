"""The object store: over S3, or in a folder."""
