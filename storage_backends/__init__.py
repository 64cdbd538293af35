"""Places that hold files: one interface, one file per kind of storage. Plain Python, never Django."""

CHATTY_LOGGERS = ("azure", "boto3", "botocore", "google", "paramiko", "s3transfer", "urllib3")
"""SDKs that report every request at INFO; warnings of theirs are worth reading."""
