"""Which error answers what: the one table from exceptions to HTTP."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from contracts.bundle_files import BundleError
from contracts.registry import NothingToRollBackError, UnknownVersionError
from contracts.traffic import RefusedRuleError
from service.access.access import ForbiddenError, ForgedError, UnauthenticatedError
from service.access.hosts import BadHeaderError, BadHostError, OddPathError
from service.access.limits import LimitReachedError
from service.access.oidc import IssuerUnavailableError
from service.access.origins import ForeignOriginError
from service.access.sessions import SignInError
from service.answer.answering import VersionNotServedError
from service.answer.decoder import InvalidRequestError, Problem
from service.answer.explain import (
    ExplainerBusyError,
    ExplainerDiedError,
    ExplainerMissingError,
    VersionGoneError,
)
from service.answer.predictor import NotFiniteError
from service.border.bodies import TooLargeError, TooSlowError, WrongBodyTypeError
from service.ledger.groups import QueueFullError
from service.ledger.idempotency import InvalidKeyError, KeyInProgressError, KeyReusedError
from service.ledger.store import LedgerUnavailableError
from service.protocols.errors import (
    NotAcceptableError,
    UnknownModelError,
    UnsupportedMediaTypeError,
    shape_error,
)
from service.queries import NotYetReadableError, UnknownPredictionError
from service.trying.scored import UnknownScoringError
from service.versions.champion import NoChampionError


class MethodNotAllowedError(ValueError):
    """The path exists, the method does not."""

    def __init__(self, allowed: str) -> None:
        super().__init__("Method Not Allowed")
        self.allowed = allowed


class ErrorAnswer(NamedTuple):
    """What an error becomes."""

    status: int
    kind: str  # label of perennial_errors_total
    headers: dict[str, str]
    body: bytes


_RETRY = {"Retry-After": "1"}
# Half a body is on its way, so the connection cannot be used again.
_CLOSE = {"Connection": "close"}
_ANSWERS: dict[type[Exception], tuple[int, str, dict[str, str]]] = {
    UnauthenticatedError: (401, "unauthenticated", {}),
    ForbiddenError: (403, "forbidden", {}),
    ForgedError: (403, "forged", {}),
    SignInError: (403, "sign_in", {}),
    BadHostError: (400, "bad_host", {}),
    BadHeaderError: (400, "bad_header", {}),
    OddPathError: (404, "odd_path", {}),
    IssuerUnavailableError: (503, "issuer_unavailable", _RETRY),
    InvalidRequestError: (422, "invalid", {}),
    NotFiniteError: (422, "not_finite", {}),
    MethodNotAllowedError: (405, "method", {}),
    TooLargeError: (413, "too_large", {}),
    TooSlowError: (408, "too_slow", _CLOSE),
    WrongBodyTypeError: (415, "body_type", {}),
    ForeignOriginError: (403, "foreign_origin", {}),
    LimitReachedError: (429, "limit", {}),
    NoChampionError: (503, "no_champion", _RETRY),
    QueueFullError: (503, "queue_full", _RETRY),
    LedgerUnavailableError: (503, "ledger_unavailable", _RETRY),
    InvalidKeyError: (400, "invalid_key", {}),
    KeyReusedError: (422, "key_reused", {}),
    KeyInProgressError: (409, "key_in_progress", _RETRY),
    NotYetReadableError: (503, "not_yet_readable", _RETRY),
    UnknownModelError: (404, "unknown_model", {}),
    VersionNotServedError: (404, "version_not_served", {}),
    UnsupportedMediaTypeError: (415, "media_type", {}),
    NotAcceptableError: (406, "not_acceptable", {}),
    UnknownVersionError: (404, "unknown_version", {}),
    NothingToRollBackError: (409, "nothing_to_roll_back", {}),
    RefusedRuleError: (409, "refused_rule", {}),
    BundleError: (409, "bundle", {}),  # of a version that somebody would have answer
    UnknownPredictionError: (404, "unknown_prediction", {}),
    UnknownScoringError: (404, "unknown_scoring", {}),
    VersionGoneError: (410, "version_gone", {}),
    ExplainerMissingError: (501, "explainer_missing", {}),
    ExplainerBusyError: (503, "explainer_busy", _RETRY),
    ExplainerDiedError: (500, "explainer_died", {}),
    SQLAlchemyError: (503, "database", _RETRY),  # of a read; the ledger has its own
}
KNOWN = tuple(_ANSWERS)


def answer_error(error: Exception, path: str) -> ErrorAnswer:
    """The HTTP answer for an exception of KNOWN, in the shape of the path's protocol."""
    known = next(one for one in type(error).__mro__ if one in _ANSWERS)
    status, kind, headers = _ANSWERS[known]
    if isinstance(error, MethodNotAllowedError):
        headers = {"Allow": error.allowed}
    if isinstance(error, LimitReachedError):
        headers = error.headers
    if isinstance(error, UnauthenticatedError):
        headers = {"WWW-Authenticate": "Bearer"}
        if error.sign_in is not None:
            status, headers = 303, {"Location": error.sign_in}
    body = msgspec.json.encode(shape_error(path, status, _detail(error)))
    return ErrorAnswer(status, kind, headers, body)


def _detail(error: Exception) -> Any:
    if isinstance(error, InvalidRequestError):
        return error.problems
    if isinstance(error, NotFiniteError):
        return [Problem(error.row, None, str(error), "values nearer to those seen in training")]
    if isinstance(error, SQLAlchemyError):  # its text may hold statements and addresses
        return "the database cannot be read now; try again"
    return str(error)
