"""The form of what is sent: decoded strictly, described in words, and mended where it is wrong."""
