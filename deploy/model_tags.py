"""Which image carries which model, as git tags in GTO's format: `make model-tag`, `make stage-tag`.

`model@v1.2.3` is a release, `model#production#4` says that the fourth assignment put one into
production. Their messages name the image by digest, so that a clone is all it takes to know what
runs, and what ran before.
"""

import argparse
import re
import subprocess
import sys

RELEASE = re.compile(r"model@v(\d+)\.(\d+)\.(\d+)")
ASSIGNED = re.compile(r"model#([a-z][a-z0-9-]*[a-z0-9])#(\d+)")
IMAGE = re.compile(r"[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}")
PARTS = ("major", "minor", "patch")
TAGGER = ("-c", "user.name=perennial", "-c", "user.email=perennial@users.noreply.github.com")


class TagError(ValueError):
    """A tag cannot be made, or there is none; the message says what to do."""


def register(image: str, part: str = "patch") -> str:
    """Tag HEAD as the next release of `image`; the tag's name.

    Raises:
        TagError: the image is not named by its digest, or git refused.
    """
    if not IMAGE.fullmatch(image):
        raise TagError(f"{image!r} is not NAME@sha256:DIGEST: a tag that moves names no release")
    latest = max((_numbers(tag) for tag in _tags("model@v*")), default=(0, 0, 0))
    at = PARTS.index(part)
    following = (*latest[:at], latest[at] + 1, *(0,) * (2 - at))
    name = "model@v" + ".".join(map(str, following))
    _git(*TAGGER, "tag", "--annotate", name, "--message", f"image: {image}")
    return name


def assign(image: str, stage: str) -> str:
    """Tag the release of `image` as what runs in `stage` from now on; the tag's name.

    Raises:
        TagError: no release is of this image, or git refused.
    """
    releases = [tag for tag in _tags("model@v*") if _image_of(tag) == image]
    if not releases:
        raise TagError(f"no tag model@v* names {image}: was it released from this repository?")
    name = f"model#{stage}#{max(_assignments().values(), default=0) + 1}"
    if not ASSIGNED.fullmatch(name):
        raise TagError(f"{stage!r} is no stage's name: small letters, digits, dashes")
    release = max(releases, key=_numbers)
    message = f"image: {image}\nrelease: {release}"
    _git(*TAGGER, "tag", "--annotate", name, f"{release}^{{commit}}", "--message", message)
    return name


def current(stage: str) -> str:
    """The image that was assigned to a stage last; "" = none was.

    Raises:
        TagError: this is no git repository.
    """
    found = {tag: number for tag, number in _assignments().items() if _stage(tag) == stage}
    return _image_of(max(found, key=lambda tag: found[tag])) if found else ""


def _assignments() -> dict[str, int]:
    matches = (ASSIGNED.fullmatch(tag) for tag in _tags("model#*"))
    return {match[0]: int(match[2]) for match in matches if match}


def _stage(tag: str) -> str:
    return tag.split("#")[1]


def _numbers(tag: str) -> tuple[int, ...]:
    match = RELEASE.fullmatch(tag)
    return tuple(map(int, match.groups())) if match else (0, 0, 0)


def _tags(pattern: str) -> list[str]:
    return _git("tag", "--list", pattern).split()


def _image_of(tag: str) -> str:
    message = _git("for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
    match = re.search(r"^image: (\S+)$", message, re.MULTILINE)
    return match[1] if match else ""


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise TagError(f"git {arguments[-1]}: {found.stderr.strip()}")
    return found.stdout


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.model_tags", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    registering = commands.add_parser("register", help="make model@vX.Y.Z at HEAD")
    registering.add_argument("--image", required=True, help="NAME@sha256:DIGEST")
    registering.add_argument("--bump", choices=PARTS, default="patch")
    assigning = commands.add_parser("assign", help="make model#STAGE#N")
    assigning.add_argument("--image", required=True, help="NAME@sha256:DIGEST")
    showing = commands.add_parser("current", help="print the image of a stage")
    for each in (assigning, showing):
        each.add_argument("--stage", required=True)
    given = parser.parse_args()
    try:
        if given.command == "register":
            print(register(given.image, given.bump))
        elif given.command == "assign":
            print(assign(given.image, given.stage))
        elif image := current(given.stage):
            print(image)
        else:
            sys.stderr.write(f"nothing is in {given.stage}, says no tag; `git fetch --tags`?\n")
    except (TagError, OSError) as error:
        sys.exit(f"{given.command} refused: {error}")


if __name__ == "__main__":
    main()
