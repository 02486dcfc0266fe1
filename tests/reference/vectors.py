"""The vector files, and the documents that explain them."""

import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name):
    """The vector file `name`, parsed."""
    return json.loads((ROOT / "tests/vectors" / name).read_text(encoding="utf-8"))


def document(name):
    """The text of the page `name` of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")
