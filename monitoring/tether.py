"""Runs a command, and kills it with its whole process group once its starter is gone.

`python -I tether.py COMMAND ...`, as a group's leader. Standard input is a pipe whose other end
only the starter holds: its end of file means that the starter has died, however it did.
"""

import os
import signal
import subprocess
import sys
import threading


def _watch() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_watch, daemon=True).start()
    code = process.wait()
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
