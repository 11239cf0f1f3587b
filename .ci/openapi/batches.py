"""Batches as gateways send them, for schemathesis: that a body is bytes says nothing of its lines.

A document of OpenAPI 3.1 has no word for the schema of a line. So lines are made here: of members that exist, of those with any
value, and of anything at all. And the answers' lines are read: each has its number, and says either that the vote is recorded
or why it isn't.
"""

import json

import schemathesis
from hypothesis import strategies as st

NDJSON = "application/x-ndjson"

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def member(*known: str) -> st.SearchStrategy:
    """Mostly a value that exists."""
    return st.sampled_from(known) | st.sampled_from(known) | ANYTHING


LINE = st.fixed_dictionaries(
    {"key": member("1", "2", "4711"), "channel": member("torcida", "unico", "sms"), "candidate": member("ana", "bia")},
    optional={
        "direction": member("eliminate", "save"),
        "voter": member("d8f0c6e2a94b1735", "07c3e5a1f28d4b96"),
        "surplus": ANYTHING,
    },
)
LINES = st.one_of(
    LINE.map(lambda line: json.dumps(line).encode()),
    LINE.map(lambda line: json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")[:-1]),
    ANYTHING.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
    st.just(b""),
)
BATCH = st.builds(lambda lines, end: b"\n".join(lines) + end, st.lists(LINES, max_size=12), st.sampled_from([b"\n", b"\r\n", b""]))

schemathesis.openapi.media_type(NDJSON, BATCH)


@schemathesis.deserializer(NDJSON)
def answers(_context: object, response: schemathesis.Response) -> str:
    """The answers as the document has them, once each of their lines is one."""
    numbers = []
    for line in response.content.decode().splitlines():
        answer = json.loads(line)
        numbers.append(answer["line"])
        if ("status" in answer and "receipt" in answer) == ("code" in answer and "title" in answer):
            raise ValueError(f"neither recorded nor a problem: {line}")
    if numbers != sorted(set(numbers)):
        raise ValueError(f"lines out of order: {numbers}")
    return response.content.decode()
