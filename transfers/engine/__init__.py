"""Copying: what happens to the bytes of one file. Plain Python, never Django, never a database."""
