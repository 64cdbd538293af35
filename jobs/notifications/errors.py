"""Why something could not be told."""


class NotDelivered(Exception):
    """This attempt failed. The text is for the operator and holds no secret: neither the URL nor a password."""
