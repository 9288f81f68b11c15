"""What can go wrong with the launcher."""


class LauncherError(Exception):
    """An operator must change something; the message says what."""
