"""Files of a crate that import each other, as far as paths tell: `use` and paths that begin at a module of the crate.

What a `mod.rs` or `lib.rs` only gives on (`pub use`) is no import of its own, and who takes it there takes it from the
file that defines it.
"""

import pathlib
import re
from collections.abc import Iterator

from architecture.source import VISIBILITY, crates, product, shown

MOST = 2
USE = re.compile(rf"^[ \t]*({VISIBILITY})use ([^;]+);", re.MULTILINE)
MODULE = re.compile(rf"^[ \t]*{VISIBILITY}mod (\w+);", re.MULTILINE)
PATH = re.compile(r"(?<![\w:])\w+(?:::\w+)+")

Names = tuple[str, ...]


class Files:
    """The modules of a crate, and what each gives on and takes."""

    def __init__(self, crate: pathlib.Path):
        self.texts = product(crate)
        self.files: dict[Names, pathlib.Path] = {}
        # The library's root goes before the binary's.
        for path in sorted(self.texts, key=lambda path: path.name == "main.rs"):
            self.files.setdefault(self.name_of(path, crate), path)
        self.names = {path: name for name, path in self.files.items()}
        self.given = {path: dict(self.uses(path, is_given=True)) for path in self.texts}

    @staticmethod
    def name_of(path: pathlib.Path, crate: pathlib.Path) -> Names:
        parts = path.relative_to(crate / "src").with_suffix("").parts
        return parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts

    def uses(self, path: pathlib.Path, is_given: bool | None = None) -> Iterator[tuple[str, Names]]:
        """The name under which each thing is taken, and its absolute path in this crate."""
        for visibility, tree in USE.findall(self.texts[path]):
            if is_given is None or is_given == bool(visibility):
                for taken, names in flat(re.sub(r"\s+", " ", tree)):
                    if absolute := self.absolute(path, names):
                        yield taken, absolute

    def absolute(self, path: pathlib.Path, names: Names) -> Names | None:
        """A path from the crate's root; nothing for another crate's."""
        here = self.names.get(path, ())
        first, *rest = names
        if first == "crate":
            return tuple(rest)
        if first == "self":
            return (*here, *rest)
        if first == "super":
            while names and names[0] == "super":
                here, names = here[:-1], names[1:]
            return (*here, *names)
        if (*here, first) in self.files and first in MODULE.findall(self.texts[path]):
            return (*here, *names)
        return None

    def defining(self, names: Names, depth: int = 0) -> pathlib.Path | None:
        """The file of the longest beginning that is a module; behind what that file only gives on."""
        for length in range(len(names), -1, -1):
            path = self.files.get(names[:length])
            if path is None:
                continue
            if length < len(names) and depth < 8:
                given = self.given[path].get(names[length])
                if given and given != names:
                    return self.defining((*given, *names[length + 1 :]), depth + 1)
            return path
        return None

    def arrows(self) -> dict[pathlib.Path, set[pathlib.Path]]:
        found = {}
        for path, text in self.texts.items():
            taken = {names for _, names in self.uses(path, is_given=False)}
            for words in PATH.findall(USE.sub("", text)):
                if names := self.absolute(path, tuple(words.split("::"))):
                    taken.add(names)
            found[path] = {self.defining(names) for names in taken} - {path, None}
        return found


def flat(tree: str) -> Iterator[tuple[str, Names]]:
    """Each path of a `use`, with the name that it gets."""
    head, brace, group = tree.partition("{")
    if not brace:
        path, _, other = tree.strip().partition(" as ")
        names = tuple(path.split("::"))
        if names[-1] == "self":
            names = names[:-1]
        yield other or names[-1], names
        return
    depth, part = 0, ""
    for letter in group.rstrip().removesuffix("}") + ",":
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            if part.strip():
                yield from flat(head.strip() + part.strip())
            part = ""
        else:
            part += letter


def of(crate: pathlib.Path) -> list[list[pathlib.Path]]:
    """Tarjan's strongly connected components of more than one file."""
    arrows = Files(crate).arrows()
    index, low, stack, found = {}, {}, [], []

    def visit(node) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def check() -> Iterator[str]:
    found = [one for crate in crates() for one in of(crate)]
    if len(found) > MOST:
        for one in found:
            yield f"{len(one)} files import each other: {', '.join(map(shown, one))}"
