"""Scanning: source listing, catalogue and sink listing, merged in one pass (docs in `run.py`)."""
