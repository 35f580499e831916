"""One run of a scheduled job, and what follows from it, in a process that kills itself at a moment.

`python -m tests.monitoring.killed MODULE.FUNCTION call|return [JOB]`; a check where no job is
named; settings from the environment.
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
from monitoring.errands import check_if_asked
from monitoring.jobs import check_and_retrain, judge_canary

JOBS = {"check": check_and_retrain, "canary": judge_canary, "errand": check_if_asked}


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
        kill_at(*sys.argv[1:3])
    job = JOBS[sys.argv[3] if len(sys.argv) > 3 else "check"]
    job(engine, settings, threading.Event(), Alerts([]))


if __name__ == "__main__":
    main()
