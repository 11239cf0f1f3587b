"""The selector of Alloy's `stage.match`, read as that stage reads it.

It has a lexer of its own, older than LogQL's: Go's text/scanner gives it strings in double quotes and single marks. A
string in backticks is a name to it, so a selector that Loki and Grafana take ends Alloy at its start.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<mark>\|=|\|~|!=|!~|=~|[{}(),=])
      | (?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE,
)
# Escapes that Go and JSON have in common; others are a mistake in Go as well, or we have no need of them.
TESTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda value, text: value == text,
    "!=": lambda value, text: value != text,
    "=~": lambda value, text: re.fullmatch(text, value) is not None,
    "!~": lambda value, text: re.fullmatch(text, value) is None,
}
FILTERS: dict[str, Callable[[str, str], bool]] = {
    "|=": lambda line, text: text in line,
    "!=": lambda line, text: text not in line,
    "|~": lambda line, text: re.search(text, line) is not None,
    "!~": lambda line, text: re.search(text, line) is None,
}


class SelectorError(ValueError):
    """Alloy would not start with it."""


@dataclass(frozen=True)
class Selector:
    """`{label="value", …} |~ "expression" …`"""

    matchers: list[tuple[str, str, str]]
    filters: list[tuple[str, str]]

    def takes(self, labels: dict[str, str], line: str) -> bool:
        return all(TESTS[mark](labels.get(label, ""), text) for label, mark, text in self.matchers) and all(
            FILTERS[mark](line, text) for mark, text in self.filters
        )


def tokens(selector: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(selector):
        match = TOKEN.match(selector, position)
        if match is None:
            raise SelectorError(f"{selector[position:]!r} begins with what stage.match can't read: strings are in \"…\"")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group()))
        position = match.end()
    return found


def parse(selector: str) -> Selector:
    """The selector; raises SelectorError where Alloy would refuse it."""
    rest = tokens(selector)

    def take(kind: str, *texts: str) -> str:
        found, text = rest.pop(0) if rest else ("end", "the end")
        if found != kind or (texts and text not in texts):
            raise SelectorError(f"{' or '.join(texts) or f'a {kind}'} is expected, and here is {text}")
        if kind != "text":
            return text
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise SelectorError(f"{text} is no string: {error}") from error

    matchers, filters = [], []
    take("mark", "{")
    while True:
        matchers.append((take("name"), take("mark", *TESTS), take("text")))
        if take("mark", ",", "}") == "}":
            break
    while rest:
        filters.append((take("mark", *FILTERS), take("text")))
    for text in [text for _, mark, text in matchers if "~" in mark] + [text for mark, text in filters if "~" in mark]:
        try:
            re.compile(text)
        except re.error as error:
            raise SelectorError(f"{text!r} is no regular expression: {error}") from error
    return Selector(matchers, filters)
