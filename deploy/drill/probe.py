"""A client that asks all the time, so that a swap that costs an answer is seen."""

import threading
from types import TracebackType
from typing import Self

from client import ClientError
from deploy.drill.stage import LONG_BEFORE, Stage

PAUSE_SECONDS = 0.1


class Probe:
    """Asks one question after the other in a thread, from `with` to its end.

    Attributes:
        versions: that have answered, in order, each run of one version once.
        failures: what was no answer.
    """

    def __init__(self, stage: Stage) -> None:
        self.versions: list[str] = []
        self.failures: list[str] = []
        self.answers = 0
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        row = self._stage.flights.day(0).rows[0]
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                answer = self._stage.client.predict_one(row, LONG_BEFORE)
            except ClientError as error:
                self.failures.append(str(error))
                continue
            self.answers += 1
            self._stage.answered.append(answer.prediction_id)
            if self.versions[-1:] != [answer.model_version]:
                self.versions.append(answer.model_version)
