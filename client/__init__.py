"""Client of a Perennial service: typed predictions and outcomes, repeated safely until answered.

    with Client("http://127.0.0.1:8000", "a key") as client:
        prediction = client.predict_one({"hour": 17, "carrier": "UA"})
        client.send_outcomes([Outcome(prediction.prediction_id, 1)])

`Client` blocks and needs httpx, `AsyncClient` does not and needs aiohttp; docs/clients.md.
"""

from client.blocking import Client
from client.concurrent import AsyncClient
from client.errors import ClientError, NoAnswerError, RefusedError
from client.messages import Outcome, Prediction, Recorded, Row, Wanted
from client.retries import Policy

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "NoAnswerError",
    "Outcome",
    "Policy",
    "Prediction",
    "Recorded",
    "RefusedError",
    "Row",
    "Wanted",
]
