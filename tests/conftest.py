"""Makes what the suites share importable for every suite below this folder."""
