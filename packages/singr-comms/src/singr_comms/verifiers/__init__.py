"""Services that send codes to phones and check them by themselves, one in each module."""
