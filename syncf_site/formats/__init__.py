"""How Django writes things for people; see FORMAT_MODULE_PATH in the settings."""
