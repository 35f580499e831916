"""How a call can fail."""


class ClientError(Exception):
    """A call was not answered as wished; the message says why."""


class RefusedError(ClientError):
    """The service refused a request; repeating it as it is would not help.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(f"refused with {status}: {problem}")
        self.status = status


class NoAnswerError(ClientError):
    """The deadline passed; the request may or may not have been recorded.

    Attributes:
        idempotency_key: repeating the same call with it records nothing twice; "" = it only reads.
    """

    def __init__(self, seconds: float, last: str, idempotency_key: str) -> None:
        super().__init__(f"no answer within {seconds:g} s, the last problem: {last}")
        self.idempotency_key = idempotency_key
