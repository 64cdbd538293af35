"""The REST API: thin callers of services and selectors. Its contract is `/api/schema`."""
