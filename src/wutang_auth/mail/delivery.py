"""What can become of a mail that is handed to a mail server."""


class DeliveryError(Exception):
    """It was not taken; the message says why, without addresses."""


class ServerAway(DeliveryError):
    """The mail server cannot be used now, for any mail."""


class RefusedForNow(DeliveryError):
    """This mail was not taken now, or nobody knows whether it was."""


class RefusedForEver(DeliveryError):
    """The mail server knows no such recipient, or wants no mail for it."""
