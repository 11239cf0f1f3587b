"""Reads Grafana Alloy's configuration syntax: blocks, attributes, and the values that we use."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|//[^\n]*|/\*.*?\*/)
      | (?P<newline>\n)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<raw>`[^`]*`)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<mark>[{}\[\]=,()])""",
    re.VERBOSE | re.DOTALL,
)


class AlloyError(ValueError):
    """The text is not Alloy's syntax."""


@dataclass(frozen=True)
class Reference:
    """The name of another component's export."""

    name: str


@dataclass
class Block:
    """`name "label" { … }`"""

    name: str
    label: str | None
    line: int
    attributes: dict = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)

    def find(self, name: str) -> "Block | None":
        return next((block for block in self.walk() if block.name == name), None)

    def walk(self):
        for block in self.blocks:
            yield block
            yield from block.walk()


def parse(text: str) -> Block:
    tokens, position, line = [], 0, 1
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise AlloyError(f"line {line}: {text[position : position + 20]!r} is no token")
        kind = match.lastgroup
        if kind != "space":
            tokens.append((kind, match.group(), line))
        line += match.group().count("\n")
        position = match.end()
    tokens.append(("end", "", line))
    reader = Reader(tokens)
    root = Block("", None, 1)
    reader.body(root, "end")
    return root


class Reader:
    """A recursive descent over the tokens. Newlines end attributes, and count nowhere else."""

    def __init__(self, tokens: list[tuple[str, str, int]]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.position]

    def next(self) -> tuple[str, str, int]:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def skip(self) -> None:
        while self.peek()[0] == "newline":
            self.position += 1

    def expect(self, text: str) -> None:
        kind, found, line = self.next()
        if found != text:
            raise AlloyError(f"line {line}: {text!r} is expected, and here is {found or kind!r}")

    def body(self, block: Block, end: str) -> None:
        while True:
            self.skip()
            kind, text, line = self.next()
            if (end == "end" and kind == "end") or text == end:
                return
            if kind != "name":
                raise AlloyError(
                    f"line {line}: a block or an attribute is expected, and here is {text or kind!r}"
                )
            if self.peek()[1] == "=":
                self.next()
                if text in block.attributes:
                    raise AlloyError(f"line {line}: {text} is set twice")
                block.attributes[text] = self.value()
                kind, found, line = self.peek()
                if kind not in ("newline", "end") and found != end:
                    raise AlloyError(f"line {line}: {found!r} after the value of {text}")
                continue
            label = None
            if self.peek()[0] == "text":
                label = self.next()[1][1:-1]
            self.expect("{")
            inner = Block(text, label, line)
            self.body(inner, "}")
            block.blocks.append(inner)

    def value(self):
        kind, text, line = self.next()
        if kind == "text":
            return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), text[1:-1])
        if kind == "raw":
            return text[1:-1]
        if kind == "number":
            return float(text)
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(text, Reference(text))
        if text == "[":
            return self.items("]", self.value)
        if text == "{":
            return dict(self.items("}", self.pair))
        raise AlloyError(f"line {line}: a value is expected, and here is {text or kind!r}")

    def pair(self):
        kind, text, line = self.next()
        if kind not in ("name", "text"):
            raise AlloyError(f"line {line}: a key is expected, and here is {text or kind!r}")
        self.expect("=")
        return text.strip('"'), self.value()

    def items(self, end: str, item) -> list:
        found = []
        while True:
            self.skip()
            if self.peek()[1] == end:
                self.next()
                return found
            found.append(item())
            self.skip()
            if self.peek()[1] != end:
                self.expect(",")
