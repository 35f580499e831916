"""Signing, scanning and verifying, with cosign, grype and gh that note how they are called."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "ghcr.io/someone/perennial"
DIGEST = "sha256:" + 64 * "a"
SIGNER = "someone/perennial/.github/workflows/release.yml"


class Shop:
    """A directory with bills of materials, and tools that append their arguments to `calls`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.fails = ""
        for process in ("service", "monitoring", "trainer"):
            self.bill(process).parent.mkdir(parents=True, exist_ok=True)
            self.bill(process).write_text("{}")
        (directory / "bin").mkdir()
        for name in ("cosign", "grype", "gh"):
            tool = directory / "bin" / name
            tool.write_text(
                f'#!/bin/sh\necho {name} "$@" >> calls\n'
                'case "$*" in *"$FAILS"*) [ -z "$FAILS" ] || exit 1 ;; esac\n'
            )
            tool.chmod(0o755)

    def bill(self, process: str) -> Path:
        return self.directory / "build" / "sbom" / f"{process}.cdx.json"

    def run(self, script: str, **values: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.directory / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [ROOT / ".ci" / script],
            cwd=self.directory,
            env={"PATH": path, "FAILS": self.fails, **values},
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        noted = self.directory / "calls"
        return noted.read_text().splitlines() if noted.exists() else []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_each_image_is_signed_and_its_own_bill_attested(shop: Shop) -> None:
    images = [f"{NAME}/{process}@{DIGEST}" for process in ("service", "trainer")]
    ended = shop.run("sign", IMAGES=" ".join(images))

    assert ended.returncode == 0, ended.stderr
    attest = "cosign attest --yes --type cyclonedx --predicate build/sbom"
    assert shop.calls() == [
        f"cosign sign --yes {images[0]}",
        f"{attest}/service.cdx.json {images[0]}",
        f"cosign sign --yes {images[1]}",
        f"{attest}/trainer.cdx.json {images[1]}",
    ]


def test_nothing_is_signed_if_one_bill_is_missing(shop: Shop) -> None:
    shop.bill("trainer").unlink()
    images = [f"{NAME}/{process}@{DIGEST}" for process in ("service", "trainer")]
    ended = shop.run("sign", IMAGES=" ".join(images))

    assert ended.returncode == 1
    assert "build/sbom/trainer.cdx.json; make sbom" in ended.stderr
    assert shop.calls() == []


def test_a_signature_that_fails_ends_the_release(shop: Shop) -> None:
    shop.fails = "attest"
    ended = shop.run("sign", IMAGES=f"{NAME}/service@{DIGEST} {NAME}/trainer@{DIGEST}")

    assert ended.returncode != 0
    assert len(shop.calls()) == 2


def test_a_scan_looks_at_all_three_and_fails_for_one(shop: Shop) -> None:
    assert shop.run("scan").returncode == 0
    shop.fails = "service"
    ended = shop.run("scan")

    assert ended.returncode == 1
    assert [call.split()[1] for call in shop.calls()[3:]] == [
        f"sbom:build/sbom/{process}.cdx.json" for process in ("service", "monitoring", "trainer")
    ]
    assert all("--only-fixed --fail-on high" in call for call in shop.calls())


def test_a_scan_without_a_bill_or_a_scanner_is_no_clean_one(shop: Shop) -> None:
    shop.bill("monitoring").write_text("")
    assert "make sbom" in shop.run("scan").stderr
    ended = shop.run("scan", GRYPE="no-such-grype")

    assert (ended.returncode, "no grype on PATH" in ended.stderr) == (1, True)


@pytest.mark.parametrize("missing", ["cosign verify ", "verify-attestation", "gh attestation"])
def test_an_image_without_signature_bill_or_provenance_is_refused(shop: Shop, missing: str) -> None:
    given = {"IMAGE": f"{NAME}/service@{DIGEST}", "SIGNER": SIGNER}
    assert shop.run("verify", **given).returncode == 0
    kinds = [call.split()[1] for call in shop.calls()]
    assert kinds == ["verify", "verify-attestation", "attestation"]
    shop.fails = missing.removeprefix("cosign ").removeprefix("gh ")

    assert shop.run("verify", **given).returncode != 0


@pytest.mark.parametrize(
    "image", [f"{NAME}/service:latest", f"{NAME}/service@{DIGEST}\nx@{DIGEST}", "--help"]
)
def test_an_image_that_is_not_named_by_one_digest_is_refused(shop: Shop, image: str) -> None:
    ended = shop.run("verify", IMAGE=image, SIGNER=SIGNER)

    assert ended.returncode == 1
    assert "verify refused" in ended.stderr
    assert shop.calls() == []
