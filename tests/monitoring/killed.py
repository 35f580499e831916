"""One scheduled check, and what follows from it, in a process that kills itself at a moment.

`python -m tests.monitoring.killed MODULE.FUNCTION call|return`; settings from the environment.
Nothing in the product knows of this: the interpreter tells when a function begins or ends.
"""

import os
import signal
import sys
import threading
from types import FrameType

from contracts.database import make_engine
from contracts.settings import Settings
from monitoring.alerts import Alerts
from monitoring.jobs import check_and_retrain


def kill_at(function: str, moment: str) -> None:
    def watch(frame: FrameType, happened: str, _argument: object) -> None:
        if happened != moment or frame.f_code.co_name != function.rpartition(".")[2]:
            return
        if f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}" == function:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(watch)
    sys.setprofile(watch)


def main() -> None:
    settings = Settings()
    engine = make_engine(settings.database_url)
    if len(sys.argv) > 1:
        kill_at(*sys.argv[1:])
    check_and_retrain(engine, settings, threading.Event(), Alerts([]))


if __name__ == "__main__":
    main()
