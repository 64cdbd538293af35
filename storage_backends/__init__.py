"""Places that hold files: one interface, one file per kind of storage. Plain Python, never Django."""
