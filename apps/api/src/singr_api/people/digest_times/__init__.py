"""When an organization's digests come to those who have not said when they want them."""
