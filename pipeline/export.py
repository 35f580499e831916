"""Writes a bundle's model in another format, for teams that cannot take ONNX or skops.

Beside the file, PATH.json says what goes in, in which order, and what comes out: docs/formats.md.
"""

import argparse
import gzip
import json
import shutil
import sys
from pathlib import Path

from contracts.bundle import RECALIBRATES, Bundle, load_bundle
from contracts.bundle_files import BundleError
from contracts.settings import Settings
from pipeline.formats import FORMATS, FormatError, write

SIDECAR = ".json"
COMPRESSED = ".gz"


def export(bundle: Bundle, name: str, path: Path, compress: bool = False) -> list[Path]:
    """Write the model, and its sidecar PATH.json.

    Args:
        name: a key of FORMATS.
        path: the model's file; coreml writes a directory.
        compress: gzip the file, whose name then ends with ".gz".

    Returns:
        What was written.

    Raises:
        FormatError: the format cannot hold this model, or a library that it needs is absent.
    """
    if bundle.schema.target.offsets:
        base = bundle.manifest[RECALIBRATES]
        raise FormatError(
            f"{bundle.version} is a recalibration, whose offsets other formats cannot hold; "
            f"export its model: --version {base}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = write(bundle, name, path)
    written = _compress(path) if compress else path
    sidecar = path.with_name(path.name + SIDECAR)
    sidecar.write_text(json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return [written, sidecar]


def _compress(path: Path) -> Path:
    if path.is_dir():
        raise FormatError(f"{path} is a directory, which --compress cannot take; pack it yourself")
    target = path.with_name(path.name + COMPRESSED)
    # Neither name nor time inside, so that the same model gives the same bytes.
    with path.open("rb") as source, target.open("wb") as file:
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            shutil.copyfileobj(source, packed)
    path.unlink()
    return target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.export", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--version", help="a registered version")
    source.add_argument(
        "--bundle", type=Path, default=Path("build/bundle"), help="a bundle's directory"
    )
    parser.add_argument("--format", choices=sorted(FORMATS), required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="written")
    parser.add_argument("--compress", action="store_true", help="gzip it: PATH.gz")
    return parser


def _directory(arguments: argparse.Namespace) -> Path:
    if arguments.version is not None:
        return Settings().bundles_dir / str(arguments.version)
    return Path(arguments.bundle)


def main() -> None:
    arguments = _parser().parse_args()
    try:
        bundle = load_bundle(_directory(arguments))
        for path in export(bundle, arguments.format, arguments.output, arguments.compress):
            sys.stdout.write(f"{path}\n")
    except (BundleError, FormatError, OSError) as error:
        sys.exit(f"export refused: {error}")


if __name__ == "__main__":
    main()
