"""A small shop that works with Celery; a test moves it by the steps of the README."""
