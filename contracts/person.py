"""Who runs a command, for rows that say who did something."""

import getpass
import os


def user_name() -> str:
    """The name of this process's user; its number where it has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
