"""What can go wrong in the hub and is no defect: every message says what to do."""


class HubError(Exception):
    """The command cannot go on."""


class BusyError(HubError):
    """Another publisher is at work."""


class NotRegisteredError(HubError):
    """The registry has no such model or version, or has it no more."""


class ModelRefusedError(HubError):
    """One model version cannot go live; what is live stays live."""


class ModelDelayedError(ModelRefusedError):
    """One model version cannot go live at the moment; that is not its own fault, and may be over soon."""


class NodeDownError(HubError):
    """A node does not answer; it loads what is live when it is back."""


class NodeRefusedError(ModelRefusedError):
    """A node answers, and says no; the message is its own."""
