"""The peers on PostgreSQL: a file each, found by its name, run in an environment of their own.

`_peer.py` says what such a file does. Its packages are pinned in `requirements.txt`.
"""
