"""Tests of attacks: those over HTTP share one API, which ends with the last of them."""
