"""Tests of the whole of Singr: they share one system, which ends with the last of them."""
