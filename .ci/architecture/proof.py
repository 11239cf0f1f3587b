"""Proves that the checks of sources can fail: a crate is made with each mistake, and with what only looks like one."""

import pathlib
import tempfile
from collections.abc import Iterator

from architecture import circles, imports, sizes

LONG = "    step();\n" * sizes.MOST_OF_FUNCTION
WRONG = {
    "lib.rs": "mod one;\nmod two;\npub mod face;\nmod fine;\n",
    "one.rs": "use crate::face::Two;\n\npub struct One(Two);\n",
    "two.rs": "pub struct Two;\n\nimpl Two {\n    pub fn one() -> super::one::One {\n        todo!()\n    }\n}\n",
    "face/mod.rs": "pub use crate::two::Two;\n",
    "long.rs": f"pub(crate) async fn long(a: [u8; 2]) {{\n{LONG}}}\n",
    "large.rs": "// A line.\n" * (sizes.MOST_OF_FILE + 1),
    "nested.rs": "use std::{\n    fmt::Debug,\n    sync::Arc,\n};\n",
}
FINE = (
    "use std::fmt::{self, Debug};\n\n// use crate::one::One;\nconst TEXT: &str = \"} fn a() { \\\" super::one::One\";\n\n"
    "trait Quick {\n    fn quick(&self);\n}\n\n"
    f"#[cfg(test)]\nmod tests {{\n    use crate::one::One;\n\n    fn long() {{\n{LONG * 9}    }}\n}}\n"
)


def check() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        crate = pathlib.Path(folder)
        for name, text in (WRONG | {"fine.rs": FINE, "fine/tests.rs": LONG * 9}).items():
            path = crate / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = {
            "sizes": [text.split("/src/")[1].split()[0] for text in sizes.of(crate)],
            "imports": [text.split("/src/")[1].split(":")[0] for text in imports.of(crate)],
            "circles": [[path.name for path in circle] for circle in circles.of(crate)],
        }
    wanted = {"sizes": ["large.rs", "long.rs:"], "imports": ["nested.rs"], "circles": [["one.rs", "two.rs"]]}
    for name, names in wanted.items():
        if found[name] != names:
            yield f"{name} finds {found[name]} instead of {names}"
