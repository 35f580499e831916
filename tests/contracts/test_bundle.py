"""A bundle is whole and unaltered, or it is refused before anything in it is parsed."""

import json
import shutil
from pathlib import Path

import pytest

from contracts.bundle import copy_bundle, load_bundle, save_bundle
from contracts.bundle_files import (
    FILES_OF_FORMAT_1,
    FILES_OF_FORMAT_2,
    GOLDEN,
    ONNX,
    REQUIRED,
    BundleError,
    digest,
)

FACTS = {"trained_from": "2013-01-01T00:00:00+00:00", "trained_until": "2013-02-01T00:00:00+00:00"}
FILES = REQUIRED | {ONNX}
CONTENT = {name: name.encode() for name in FILES}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_bundle(tmp_path / "bundle", CONTENT, FACTS)
    return tmp_path / "bundle"


def test_load_gives_back_what_was_saved(saved: Path) -> None:
    bundle = load_bundle(saved)

    assert bundle.files == CONTENT
    assert bundle.manifest["trained_from"] == FACTS["trained_from"]


def test_same_content_gives_the_same_version(tmp_path: Path, saved: Path) -> None:
    again = save_bundle(tmp_path / "again", CONTENT, FACTS)

    assert again == load_bundle(saved).version


def test_any_other_byte_gives_another_version(tmp_path: Path, saved: Path) -> None:
    other = save_bundle(tmp_path / "other", {**CONTENT, "model_card.md": b"!"}, FACTS)

    assert other != load_bundle(saved).version


@pytest.mark.parametrize("name", sorted(FILES))
def test_altered_file_is_refused(saved: Path, name: str) -> None:
    (saved / name).write_bytes(b"altered")

    with pytest.raises(BundleError, match=f"{name} in .* was altered"):
        load_bundle(saved)


@pytest.mark.parametrize("name", [*sorted(FILES), "manifest.json"])
def test_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()

    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(saved)


def test_extra_file_is_refused(saved: Path) -> None:
    (saved / "model.pkl").write_bytes(b"")

    with pytest.raises(BundleError, match="model.pkl does not belong"):
        load_bundle(saved)


def test_link_is_refused(tmp_path: Path, saved: Path) -> None:
    outside = tmp_path / "outside.onnx"
    (saved / "model.onnx").rename(outside)
    (saved / "model.onnx").symlink_to(outside)

    with pytest.raises(BundleError, match=r"model\.onnx does not belong"):
        load_bundle(saved)


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"format": 1}', b'{"format": 9, "files": {}}'])
def test_strange_manifest_is_refused(saved: Path, manifest: bytes) -> None:
    (saved / "manifest.json").write_bytes(manifest)

    with pytest.raises(BundleError, match="not a manifest|bundle format 9"):
        load_bundle(saved)


def test_incomplete_bundle_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="a bundle has exactly"):
        save_bundle(tmp_path / "bundle", {"schema.json": b""}, FACTS)

    assert list(tmp_path.iterdir()) == []


def test_copy_twice_is_copy_once(tmp_path: Path, saved: Path) -> None:
    versions = {copy_bundle(saved, tmp_path / "bundles") for _ in range(2)}

    assert [path.name for path in (tmp_path / "bundles").iterdir()] == list(versions)


def test_copy_does_not_trust_a_damaged_copy(tmp_path: Path, saved: Path) -> None:
    version = copy_bundle(saved, tmp_path / "bundles")
    (tmp_path / "bundles" / version / "model.onnx").write_bytes(b"damaged")

    with pytest.raises(BundleError, match="altered"):
        copy_bundle(saved, tmp_path / "bundles")


def test_large_model_is_compressed_and_comes_back_whole(tmp_path: Path) -> None:
    large = b"a tree like any other" * 100_000
    save_bundle(tmp_path / "bundle", {**CONTENT, ONNX: large}, FACTS)
    version = copy_bundle(tmp_path / "bundle", tmp_path / "bundles")

    assert (tmp_path / "bundle" / "model.onnx.gz").stat().st_size < len(large) / 100
    assert load_bundle(tmp_path / "bundles" / version).files[ONNX] == large


def test_model_that_unpacks_to_another_size_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "bundle"
    save_bundle(directory, {**CONTENT, ONNX: b"x" * 2_000_000}, FACTS)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["sizes"][ONNX] = 10
    (directory / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(BundleError, match="not of the size"):
        load_bundle(directory)


def test_bundle_without_onnx_is_whole(tmp_path: Path) -> None:
    content = {name: CONTENT[name] for name in REQUIRED}
    save_bundle(tmp_path / "bundle", content, FACTS)

    assert load_bundle(tmp_path / "bundle").files == content


def test_bundle_of_the_first_format_is_still_read(tmp_path: Path) -> None:
    for name in FILES_OF_FORMAT_1:
        (tmp_path / name).write_bytes(CONTENT[name])
    digests = {name: digest(CONTENT[name]) for name in FILES_OF_FORMAT_1}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 1, "files": digests}))

    assert set(load_bundle(tmp_path).files) == FILES_OF_FORMAT_1


def test_bundle_may_carry_golden_rows(tmp_path: Path) -> None:
    save_bundle(tmp_path / "bundle", {**CONTENT, GOLDEN: b"rows"}, FACTS)

    assert load_bundle(tmp_path / "bundle").files[GOLDEN] == b"rows"


@pytest.mark.parametrize("golden", [False, True], ids=["without", "with"])
def test_bundle_of_the_third_format_has_no_golden_rows(tmp_path: Path, golden: bool) -> None:
    content = {**CONTENT, GOLDEN: b"rows"} if golden else CONTENT
    save_bundle(tmp_path / "bundle", content, FACTS)
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 3}))

    if golden:
        with pytest.raises(BundleError, match="lists"):
            load_bundle(tmp_path / "bundle")
    else:
        assert load_bundle(tmp_path / "bundle").answers_unseen


def test_only_later_formats_promise_answers_to_unseen_rows(saved: Path) -> None:
    assert load_bundle(saved).answers_unseen
    manifest = json.loads((saved / "manifest.json").read_text())
    del manifest["files"]["unseen.parquet"]
    (saved / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    (saved / "unseen.parquet").unlink()

    old = load_bundle(saved)
    assert set(old.files) == FILES_OF_FORMAT_2 | {ONNX}
    assert not old.answers_unseen


def test_missing_directory_is_named(saved: Path) -> None:
    shutil.rmtree(saved)

    with pytest.raises(BundleError, match="no bundle at"):
        load_bundle(saved)
