"""What the documents name is there: files and folders in backticks, modules with what they define, and links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP = ("base", "bench", "docs", "firmware", "models", "nvr_box", "onvif", "systemd", "tests", "wire")
PAGES = sorted({*ROOT.glob("*.md"), *(page for folder in TOP for page in (ROOT / folder).rglob("*.md"))})
FILES = {path.name for folder in TOP for path in (ROOT / folder).rglob("*.*")}
PATH = re.compile(rf"`((?:{'|'.join(TOP)}|\.ci)/[\w./-]*)`")
DOTTED = re.compile(rf"`(?:python -m )?((?:{'|'.join(TOP)})(?:\.\w+)+)")
BARE = re.compile(r"`(\w+\.(?:py|js|sql|md))`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MADE_UP = ("NAME", "x.py")
"""What stands in a path for any name."""


def missing(text, folder):
    """What is named and not there: paths and modules from the root, links from `folder`."""
    yield from (
        path for path in PATH.findall(text) if not any(name in path for name in MADE_UP) and not (ROOT / path).exists()
    )
    yield from (name for name in BARE.findall(text) if name not in FILES)
    yield from (name for name in DOTTED.findall(text) if not defined(name))
    yield from (link for link in LINK.findall(text) if "://" not in link and not (folder / link).exists())


def defined(name):
    """Whether a dotted name is a module, a package, or a word of the file of one."""
    here, *rest = name.split(".")
    at = ROOT / here
    for number, part in enumerate(rest):
        if (at / part).is_dir():
            at /= part
        elif (file := at / f"{part}.py").is_file():
            return all(re.search(rf"\b{word}\b", file.read_text(encoding="utf-8")) for word in rest[number + 1 :])
        else:
            file = at / "__init__.py"
            return (at.parent / f"{at.name}.{part}").exists() or (
                file.is_file() and re.search(rf"\b{part}\b", file.read_text(encoding="utf-8")) is not None
            )
    return True


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(path):
    gone = list(missing(path.read_text(encoding="utf-8"), path.parent))
    assert not gone, f"{path.relative_to(ROOT)} names {', '.join(gone)}"


def test_what_is_gone_is_found(tmp_path):
    named = "`soap.py`, `gone.py`, `onvif/soap.py`, `onvif/gone.py`, `wire.nal.split`, `wire.nal.gone`"
    text = f"{named}, [here](there.md), [out](https://a.test)"
    assert [*missing(text, tmp_path)] == ["onvif/gone.py", "gone.py", "wire.nal.gone", "there.md"]
