"""Who is at work, for tags and for the history."""

import getpass


def current_user() -> str:
    """Returns the name of this process's user, or `unknown`: a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
