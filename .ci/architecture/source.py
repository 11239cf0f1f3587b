"""Reads Rust as far as the checks need it: product code without tests, without what comments and texts say."""

import functools
import pathlib
import re

from lib import ROOT

# Comments, texts and characters; a lifetime has no second quote, and is none of them.
SILENT = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | \bb?c?r(?P<hashes>\#*)".*?"(?P=hashes)
      | b?c?"(?:[^"\\]|\\.)*"
      | b?'(?:\\.[^'\n]*|[^'\\\n])'""",
    re.VERBOSE | re.DOTALL,
)
VISIBILITY = r"(?:pub(?:\([\w: ]+\))? )?"
TEST = re.compile(r"^[ \t]*#\[cfg\((?:test|all\(test\b[^\n]*)\)\]", re.MULTILINE)
TEST_MODULE = re.compile(rf"{TEST.pattern}\s*(?:#\[[^\n]*\]\s*)*{VISIBILITY}mod (\w+);", re.MULTILINE)


def silent(text: str) -> str:
    """The same with blanks instead of comments and texts; lines and columns stay."""
    return SILENT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def end_of_block(text: str, start: int) -> int:
    """Behind the brace that closes the one at `start`."""
    depth = 0
    for found in re.finditer(r"[{}]", text[start:]):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return start + found.end()
    return len(text)


def end_of_item(text: str, start: int) -> int:
    """Behind an item: at its semicolon, or at the brace that closes its first block."""
    depth = 0
    for found in re.finditer(r"[(\[\])};{]", text[start:]):
        mark, at = found.group(), start + found.start()
        if mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        elif depth == 0 and mark == ";":
            return at + 1
        elif depth == 0 and mark == "{":
            end = end_of_block(text, at)
            # The braces of a `use` end before its semicolon, and those of `= [const { 0 }; 2]` too.
            rest = re.match(r"\s*;", text[end:])
            return end + rest.end() if rest else end
    return len(text)


def without_tests(text: str) -> str:
    """A silent text without the items that are compiled for tests alone, and without their lines."""
    kept, at = [], 0
    for found in TEST.finditer(text):
        if found.start() < at:
            continue
        kept.append(text[at : found.start()])
        at = end_of_item(text, found.end())
        at += 1 if text[at : at + 1] == "\n" else 0
    return "".join(kept) + text[at:]


@functools.cache
def product(crate: pathlib.Path) -> dict[pathlib.Path, str]:
    """Each file of a crate's `src` that isn't for tests, as a silent text without tests."""
    texts = {path: silent(path.read_text()) for path in sorted((crate / "src").rglob("*.rs"))}
    tests = set()
    for path, text in texts.items():
        for name in TEST_MODULE.findall(text):
            home = path.parent if path.name in ("mod.rs", "lib.rs", "main.rs") else path.with_suffix("")
            tests |= {home / name, home / f"{name}.rs"}

    def is_test(path: pathlib.Path) -> bool:
        inside = path.relative_to(crate).parts
        return inside[-1] == "tests.rs" or "tests" in inside or not tests.isdisjoint({path, *path.parents})

    return {path: without_tests(text) for path, text in texts.items() if not is_test(path)}


def crates() -> list[pathlib.Path]:
    return sorted(path.parent for path in ROOT.glob("crates/*/Cargo.toml"))


def shown(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
