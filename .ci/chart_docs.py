#!/usr/bin/env python3
"""Writes what is generated in chart/: settings in values.schema.json, README.md's table of values, copies in files/.

The settings come from crates/runtime/src/defaults.toml, the one place that documents them, so that `helm` refuses
exactly what the services would refuse at start. The copies are of files in deploy/: a chart is packaged without the
rest. They are no links, because tools that fetch charts from Git (Flux) leave links out.
`make chart-docs` writes; `make chart-check` compares.
"""

import copy
import json
import pathlib
import re
import sys
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "chart"
DEFAULTS = ROOT / "crates" / "runtime" / "src" / "defaults.toml"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->\n"
FILES = CHART / "files"

# Each folder in chart/files, and what is copied into it.
COPIES = {
    "acl": ["deploy/redis/acl/*.acl", *(f"deploy/compose/redis/acl/{name}.acl" for name in ("admin", "exporter"))],
    "prometheus": ["deploy/prometheus/rules/*.yaml"],
    "grafana": ["deploy/grafana/dashboards/*.json"],
}
# The chart's own, as long as deploy/ has none of that name.
OWN = {FILES / "acl" / "admin.acl"}

# What the templates set themselves. `settings` in the values refuses them, so that nothing is overruled silently.
OWNED = {
    "redis.url",
    "redis.username",
    "redis.password_file",
    "redis.sentinel_username",
    "redis.sentinel_password_file",
    "redis.tls_ca_file",
    "redis.tls_cert_file",
    "redis.tls_key_file",
    "http.bind",
    "admin.bind",
    "receipts.key_file",
    "access.production_token_file",
    "access.broadcast_token_file",
}


def settings() -> dict[str, dict]:
    """Every setting by its dotted name: its default, what it is for, and what it takes."""
    text = DEFAULTS.read_text()
    defaults = tomllib.loads(text)
    found, section, comment = {}, "", []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
        elif head := re.fullmatch(r"\[(.+)\]", line):
            section, comment = head[1], []
        elif key := re.match(r"(\w+) = ", line):
            takes = [line.removeprefix("Takes: ") for line in comment if line.startswith("Takes: ")]
            about = [line for line in comment if not line.startswith(("Takes: ", "Default of "))]
            value = defaults[section]
            found[f"{section}.{key[1]}"] = {
                "default": value[key[1]],
                "about": " ".join(about),
                "takes": " ".join(takes),
            }
            comment = []
        else:
            comment = []
    return found


def is_for_values(name: str, setting: dict) -> bool:
    """Whether a setting may be given in values: secrets come by file, and what the chart sets is its own matter."""
    return name not in OWNED and not setting["takes"].startswith("secret")


def setting_schema(setting: dict) -> dict:
    """The JSON schema of a setting, from what it takes."""
    takes, default = setting["takes"], setting["default"]
    schema = {"description": f"{setting['about']} Takes: {takes}."}
    if bounds := re.match(r"integer (\d+)\.\.=(\d+)", takes):
        return schema | {"type": "integer", "minimum": int(bounds[1]), "maximum": int(bounds[2])}
    if isinstance(default, bool):
        return schema | {"type": "boolean"}
    if isinstance(default, int | float):
        return schema | {"type": "number"}
    if isinstance(default, list):
        return schema | {"type": "array", "items": {"type": "string"}}
    if one_of := re.fullmatch(r"one of ([\w-]+(?:, [\w-]+)*)", takes):
        return schema | {"type": "string", "enum": one_of[1].split(", ")}
    return schema | {"type": "string"}


def settings_schema() -> dict:
    """The schema of `ingest.settings` and `results.settings`."""
    sections = {}
    for name, setting in settings().items():
        if is_for_values(name, setting):
            section, key = name.rsplit(".", 1)
            sections.setdefault(section, {})[key] = setting_schema(setting)
    properties = {
        section: {"type": "object", "additionalProperties": False, "properties": keys}
        for section, keys in sections.items()
    }
    # The termination grace is computed from both.
    properties["shutdown"]["required"] = ["grace_ms", "drain_timeout_ms"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": ["shutdown"],
    }


def schema_text() -> str:
    """values.schema.json as it should be."""
    schema = json.loads(SCHEMA.read_text())
    schema["definitions"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def resolved(schema: dict, part: dict) -> dict:
    """A part of the schema with its reference followed. A description beside a reference goes before its own."""
    part = copy.copy(part)
    for inner in part.pop("allOf", []) + ([part] if "$ref" in part else []):
        if "$ref" in inner:
            name = inner["$ref"].removeprefix("#/definitions/")
            part = {**resolved(schema, schema["definitions"][name]), **part}
            part.pop("$ref", None)
    return part


def rows(schema: dict, part: dict, values: object, path: str = "") -> list[tuple[str, dict, object]]:
    """The rows of the table: each value that has no named parts, with its schema and default."""
    part = resolved(schema, part)
    is_leaf = "properties" not in part or path.endswith(".settings")
    if is_leaf or not isinstance(values, dict):
        return [(path, part, values)]
    found = []
    for name, inner in part["properties"].items():
        if path == "" and name == "global":
            continue
        found += rows(schema, inner, values.get(name), f"{path}.{name}".removeprefix("."))
    return found


def takes(part: dict) -> str:
    """What a value takes, in a word or two."""
    if "enum" in part:
        return " \\| ".join(f"`{option}`" for option in part["enum"])
    kinds = part.get("type") or [option["type"] for option in part.get("anyOf", [])]
    kinds = [kinds] if isinstance(kinds, str) else kinds
    text = " or ".join(kinds)
    if "maximum" in part:
        text += f" {part['minimum']}..{part['maximum']}"
    return text


def table_text() -> str:
    """The table of values in README.md as it should be."""
    schema = json.loads(SCHEMA.read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines, group = [], None
    # Those that belong to no group come first.
    for path, part, default in sorted(rows(schema, schema, values), key=lambda row: "." in row[0]):
        first = path.split(".")[0] if "." in path else "the whole"
        if first != group:
            group = first
            title = "Common to all" if first == "the whole" else f"`{first}`"
            lines += ["", f"### {title}", "", "| Value | Takes | Default | What |", "| --- | --- | --- | --- |"]
        shown = json.dumps(default, ensure_ascii=False).replace("|", "\\|")
        lines.append(f"| `{path}` | {takes(part)} | `{shown}` | {part.get('description', '')} |")
    return "\n".join(lines).lstrip("\n") + "\n"


def readme_text() -> str:
    """chart/README.md as it should be."""
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table_text()}\n{END}{after}"


def copies() -> dict[pathlib.Path, pathlib.Path]:
    """Every copy, and what it is a copy of."""
    return {
        FILES / folder / source.name: source
        for folder, patterns in COPIES.items()
        for pattern in patterns
        for source in sorted(ROOT.glob(pattern))
    }


def leftovers() -> list[pathlib.Path]:
    """Copies of what is no longer there."""
    there = {path for folder in COPIES for path in (FILES / folder).glob("*")}
    return sorted(there - copies().keys() - OWN)


def problems() -> list[str]:
    """What is out of date, or lacks a description."""
    found = []
    for copied, source in copies().items():
        if not copied.exists() or copied.read_bytes() != source.read_bytes():
            found.append(f"{copied.relative_to(ROOT)} is not {source.relative_to(ROOT)}: run `make chart-docs`")
    found += [f"{path.relative_to(ROOT)} is a copy of nothing: run `make chart-docs`" for path in leftovers()]
    schema = json.loads(SCHEMA.read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    if SCHEMA.read_text() != schema_text():
        found.append(f"chart/values.schema.json: its settings are not those of {DEFAULTS.name}: run `make chart-docs`")
    if README.read_text() != readme_text():
        found.append("chart/README.md: the table is not that of values and schema: run `make chart-docs`")
    for path, part, default in rows(schema, schema, values):
        if not part.get("description"):
            found.append(f"chart/values.schema.json: {path} has no description")
        if default is None:
            found.append(f"chart/values.yaml: {path} is missing: the schema has it, so it needs a default there")
    return found


def main() -> int:
    for path in leftovers():
        path.unlink()
    for copied, source in copies().items():
        copied.parent.mkdir(exist_ok=True)
        copied.write_bytes(source.read_bytes())
    SCHEMA.write_text(schema_text())
    README.write_text(readme_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
