"""What MkDocs asks while it builds the site: the pages that nobody writes by hand, and links.

Runs in .venv-docs, which has none of the product's libraries; what needs them is asked of .venv.
"""

import hashlib
import json
import subprocess
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from deploy.site import decisions
from deploy.site.diagrams import draw_diagrams
from deploy.site.outside import ROOT_PAGES, bring_inside, outside, source_name, source_page

ROOT = Path(__file__).parents[2]
ADR = ROOT / "docs" / "adr"
ASSETS = [*(Path(__file__).parent / "assets").iterdir(), ROOT / "service/assets/leaf.svg"]
KEPT = ROOT / "build" / "site-pages.json"
# What the pages of `python -m deploy.site` are made from.
SOURCES = ("client", "contracts", "pipeline", "service", "monitoring", "deploy", "benchmarks")
FILES = ("params.yaml", "Makefile", "requirements/dev.txt", "deploy/site/words.yaml")


def on_config(config: MkDocsConfig) -> None:
    """Every decision has its place in the navigation, without a list to keep."""
    explanation = next(entry["Explanation"] for entry in config.nav or [] if "Explanation" in entry)
    explanation[-1]["Decisions"] += [f"adr/{name}" for name in decisions.titles(ADR)]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds what is made: from the code, from files outside docs/ and the look."""
    made = {"adr/index.md": decisions.index(ADR), **pages()}
    made["reference/index.md"] = (Path(__file__).parent / "reference.md").read_text()
    for name, page in ROOT_PAGES.items():
        made[page] = bring_inside((ROOT / name).read_text(), name, page, ROOT)
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()} | made
    wanted = {name for page, text in texts.items() for name in outside(text, f"docs/{page}", ROOT)}
    made |= {source_name(name): source_page(name, ROOT) for name in sorted(wanted)}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for asset in ASSETS:
        files.append(File.generated(config, f"assets/{asset.name}", abs_src_path=str(asset)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links stay inside, diagrams are drawn; a page alone in its section needs no list of pages."""
    if page.parent is None:
        page.meta.setdefault("hide", ["navigation"])
    name = page.file.src_uri
    return draw_diagrams(bring_inside(markdown, f"docs/{name}", name, ROOT))


def pages() -> dict[str, str]:
    """The pages made from the code; kept until their sources change, as it takes seconds."""
    digest = _digest()
    if KEPT.exists():
        kept = json.loads(KEPT.read_text())
        if kept["digest"] == digest:
            return dict(kept["pages"])
    command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "deploy.site"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        raise PluginError(f"python -m deploy.site failed:\n{run.stderr[-3000:]}")
    made = dict(json.loads(run.stdout))
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({"digest": digest, "pages": made}))
    return made


def _digest() -> str:
    files = [ROOT / name for name in FILES if (ROOT / name).exists()]
    for package in SOURCES:
        files += sorted((ROOT / package).rglob("*.py"))
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()
