"""The page of params.yaml: every key with its meaning, from the classes that read it."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from contracts.params_section import Section
from deploy.site.comments import comments_of_class, comments_of_yaml
from deploy.site.fields import default_of, sections_in, type_of
from deploy.site.markdown import UndocumentedError, code, plain, table
from deploy.site.references import refer

HEAD = """# params.yaml

What changes a model or a decision, and deserves review. Unknown keys are refused, and so is a
value of another kind. A key without a default must be there. *Shipped* is what the
project's own file says, for the flights. Where things are, and secrets, are
[settings](settings.md).

"""


def params_page(
    params: type[Section], replay: type[Section], shipped: str, words: Mapping[str, str], root: Path
) -> str:
    """Every key, section by section.

    Args:
        shipped: the text of params.yaml; its comments count as explanations.
        words: explanations of keys that neither it nor the classes explain, or not in general.
        root: whose docs/ are referred to.

    Raises:
        UndocumentedError: a key has no explanation, or one explains a key that is gone.
    """
    comments, values = comments_of_yaml(shipped), yaml.safe_load(shipped)
    told = _Told(comments, words, set())
    parts = [told.section(name, "", values.get(name), field.annotation)
             for name, field in params.model_fields.items() if name != "replay"]  # fmt: skip
    parts.append(told.section("replay", "", values.get("replay"), replay))
    if unused := set(words) - told.used:
        raise UndocumentedError(f"words.yaml explains keys that are gone: {sorted(unused)}")
    return HEAD + refer("".join(parts), root)


class _Told:
    """Tells sections, and remembers which words it needed."""

    def __init__(
        self, comments: Mapping[str, str], words: Mapping[str, str], used: set[str]
    ) -> None:
        self.comments, self.words, self.used = comments, words, used

    def section(self, name: str, above: str, shipped: Any, annotation: Any) -> str:
        """A heading, what the class says, a table of its keys, and the sections in it."""
        (cls,) = sections_in(annotation)
        path = f"{above}{name}"
        own = cls.__doc__ != Section.__doc__
        lead = [_sentence(self.words_of(path)), inspect.cleandoc(cls.__doc__ or "") if own else ""]
        values = shipped if isinstance(shipped, dict) else {}
        rows = [self._row(cls, key, path, values) for key in _in_order(cls, values)]
        head = ["key", "meaning", "kind", "default", "shipped"]
        inner = "".join(self._inner(cls, path, values))
        return (
            f"## {path}\n\n"
            + "".join(f"{plain(each)}\n\n" for each in lead if each)
            + table(head, rows)
            + f"\n{inner}"
        )

    def _inner(self, cls: type[Section], path: str, values: Mapping[str, Any]) -> Iterator[str]:
        for key, field in cls.model_fields.items():
            for part in sections_in(field.annotation):
                yield self.section(key, f"{path}.", values.get(key), part)

    def _row(self, cls: type[Section], key: str, path: str, values: Mapping[str, Any]) -> list[str]:
        field, is_section = (
            cls.model_fields[key],
            bool(sections_in(cls.model_fields[key].annotation)),
        )
        value = values.get(key, "")
        simple = (
            ""
            if is_section or isinstance(value, dict)
            else yaml.safe_dump(value, default_flow_style=True, width=1000)
            .removesuffix("...\n")
            .strip()
        )
        meaning = self._meaning(cls, key, f"{path}.{key}", is_section)
        return [code(key), plain(meaning), type_of(field), code(default_of(field)),
                code(simple) if key in values else ""]  # fmt: skip

    def words_of(self, path: str) -> str:
        """What words.yaml says, or else params.yaml, but not what it says of the whole section."""
        if path in self.words:
            self.used.add(path)
            return self.words[path]
        found = self.comments.get(path, "")
        return "" if found == self.comments.get(path.rpartition(".")[0]) else found

    def _meaning(self, cls: type[Section], key: str, path: str, is_section: bool) -> str:
        said = [
            self.words_of(path),
            "" if path in self.words else comments_of_class(cls).get(key, ""),
        ]
        found = "; ".join(each for each in dict.fromkeys(said) if each)
        if is_section:
            return f"{found}; [below](#{_anchor(path)})" if found else f"[below](#{_anchor(path)})"
        in_docstring = f"`{key}`" in (cls.__doc__ or "")
        if not found and not in_docstring:
            where = "deploy/site/words.yaml can"
            raise UndocumentedError(f"params.yaml: nothing says what {path} is; {where}")
        return found or "see above"


def _anchor(path: str) -> str:
    return path.replace(".", "")


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:].rstrip('.')}." if words else ""


def _in_order(cls: type[Section], values: Mapping[str, Any]) -> list[str]:
    """As params.yaml has them, for its comments go on from line to line; then the others."""
    shipped = [key for key in values if key in cls.model_fields]
    return [*shipped, *(key for key in cls.model_fields if key not in shipped)]
