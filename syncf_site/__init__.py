"""The Django project: settings, URLs, health. Imports everybody, imported by nobody."""
