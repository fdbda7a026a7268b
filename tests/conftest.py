"""Makes runenv.py importable for every suite below this folder."""
