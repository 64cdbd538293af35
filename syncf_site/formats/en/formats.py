"""Times as logs write them: to the second, and with their zone."""

DATETIME_FORMAT = "Y-m-d H:i:s T"
