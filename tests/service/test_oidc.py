"""Tokens of an identity provider: a real one, on a thread, with keys of its own."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.access.oidc import OidcSettingsError, make_tokens
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import bearer
from tests.service.servers import wait_for

BODY = {"features": EXAMPLE}
AUDIENCE = "perennial"


class Issuer:
    """An identity provider that publishes the keys in `keys` and counts who asks for them."""

    def __init__(self) -> None:
        self.keys = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.asked = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def token(self, kid: str = "one", headers: dict[str, Any] | None = None, **more: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": now + 60, "iat": now,
                  "scope": "openid perennial:predict read", **more}  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"kid": kid, **(headers or {})}
        return jwt.encode(claims, self.keys[kid], "RS256", headers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents = {
                    "/.well-known/openid-configuration": {"jwks_uri": f"{issuer.url}/jwks"},
                    "/jwks": {"keys": [_jwk(kid, key) for kid, key in issuer.keys.items()]},
                }
                issuer.asked += self.path == "/jwks"
                body = json.dumps(documents[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        return Handler


def _jwk(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig", "alg": "RS256"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = Thread(target=issuer.server.serve_forever)
    thread.start()
    yield issuer
    issuer.server.shutdown()
    thread.join()
    issuer.server.server_close()


@pytest.fixture
def client(closed_settings: Settings, champion: str, provider: Issuer) -> Iterator[TestClient]:
    named = {"oidc_issuer": provider.url, "oidc_audience": AUDIENCE}
    with TestClient(create_app(closed_settings.model_copy(update=named))) as client:
        yield client


def status(client: TestClient, token: str) -> int:
    return client.post("/predict", json=BODY, headers=bearer(token)).status_code


def test_a_token_counts_like_a_key(client: TestClient, provider: Issuer) -> None:
    headers = bearer(provider.token())
    assert client.post("/predict", json=BODY, headers=headers).status_code == 200
    assert client.get("/models", headers=headers).status_code == 200
    assert client.post("/models/rollback", headers=headers).status_code == 403
    assert client.get("/models").status_code == 401


@pytest.mark.parametrize("claim", [{"scp": ["predict"]}, {"scp": "predict"}])
def test_scopes_come_from_either_claim(
    client: TestClient, provider: Issuer, claim: dict[str, Any]
) -> None:
    token = provider.token(scope=None, **claim)
    assert status(client, token) == 200
    assert client.get("/models", headers=bearer(token)).status_code == 403


def test_a_token_without_scopes_of_ours_is_403(client: TestClient, provider: Issuer) -> None:
    assert status(client, provider.token(scope="openid predictable")) == 403


def test_a_known_token_is_not_asked_about_again(client: TestClient, provider: Issuer) -> None:
    token = provider.token(sub="known")
    assert status(client, token) == 200
    asked = provider.asked
    for _ in range(20):
        assert status(client, token) == 200
    assert provider.asked == asked


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"exp": None},
        {"aud": None}, {"sub": None}, {"nbf": 99_999_999_999}, {"exp": "soon"}, {"scp": 5},
        {"iss": None}, {"exp": 10**400},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_with_a_wrong_claim_is_401(
    client: TestClient, provider: Issuer, claims: dict[str, Any]
) -> None:
    assert status(client, provider.token(**claims)) == 401


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed_with_the_public_key(key: rsa.RSAPrivateKey, claims: str) -> str:
    """HMAC with what everybody knows, for whoever believes the token's own algorithm."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{claims}"
    digest = hmac.digest(public, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_token_that_is_not_signed_by_the_provider_is_401(
    client: TestClient, provider: Issuer
) -> None:
    good = provider.token()
    head, claims, signature = good.split(".")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    payload = jwt.decode(good, options={"verify_signature": False})
    forged = [
        f"{_part({'alg': 'none', 'kid': 'one'})}.{claims}.",
        f"{_part({'alg': 'HS256', 'kid': 'one'})}.{claims}.{signature}",
        _signed_with_the_public_key(provider.keys["one"], claims),
        jwt.encode(payload, stranger, "RS256", {"kid": "one"}),
        jwt.encode(payload, stranger, "RS256", {"kid": "two"}),
        jwt.encode(payload, stranger, "RS256"),
        jwt.encode(payload, curve, "ES256", {"kid": "one"}),
        f"{head}.{_part({**payload, 'scope': 'admin'})}.{signature}",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{'[' * 5000}.b.c", "..", "a.b.c", "é.b.c",
        f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.{claims}.{signature}",
        _part({"alg": "RS256", "kid": "one", "jku": "http://evil.example/jwks"})
        + f".{claims}.{signature}",
    ]  # fmt: skip
    for token in forged:
        headers = {"Authorization": f"Bearer {token}".encode()}
        answer = client.post("/predict", json=BODY, headers=headers)
        assert answer.status_code == 401, token[:80]


def test_unknown_keys_do_not_make_us_flood_the_provider(
    client: TestClient, provider: Issuer
) -> None:
    assert status(client, provider.token(sub="first")) == 200
    asked = provider.asked
    for i in range(30):
        assert status(client, provider.token(headers={"kid": f"unknown {i}"})) == 401
    assert provider.asked <= asked + 1


def test_an_expired_token_is_refused_although_it_was_known(
    client: TestClient, provider: Issuer
) -> None:
    token = provider.token(exp=int(time.time()) - 27)  # three seconds of the leeway are left
    assert status(client, token) == 200
    wait_for(lambda: status(client, token) == 401)


def test_a_provider_that_is_away_is_503_and_keys_still_count(
    closed_settings: Settings, champion: str, keys: dict[str, str], provider: Issuer
) -> None:
    named = {
        "oidc_issuer": provider.url,
        "oidc_audience": AUDIENCE,
        "oidc_jwks_url": "http://127.0.0.1:9/",
    }
    with TestClient(create_app(closed_settings.model_copy(update=named))) as client:
        answer = client.post("/predict", json=BODY, headers=bearer(provider.token()))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert status(client, keys["predict"]) == 200


@pytest.mark.parametrize(
    ("issuer", "audience", "told"),
    [
        ("https://a", "", "AUDIENCE"),
        ("http://a", "x", "https://"),
        ("file:///etc", "x", "https://"),
    ],
)
def test_settings_that_cannot_be_safe_are_refused(
    settings: Settings, issuer: str, audience: str, told: str
) -> None:
    named = settings.model_copy(update={"oidc_issuer": issuer, "oidc_audience": audience})
    with pytest.raises(OidcSettingsError, match=told):
        make_tokens(named)
