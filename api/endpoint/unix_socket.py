"""A connection to a socket in the file system."""

import socket
from pathlib import Path


def connect(path: Path, seconds: float) -> socket.socket:
    """A connection to the embedded endpoint's socket. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
