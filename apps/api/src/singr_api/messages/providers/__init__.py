"""Providers of messages: seen and forced by operators."""
