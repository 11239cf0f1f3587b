"""Grafana's dashboards: structure, schema, and every expression."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

from lib.report import passed, wrong

from . import promql
from .rules import tool

# Units of Grafana that are in use here; others are added when they are needed. `count:`, `suffix:` and
# `prefix:` make a unit of any text.
UNITS = {"none", "short", "s", "bytes", "Bps", "percentunit", "reqps", "ops", "cps", "dateTimeFromNow"}
FREE_UNIT = re.compile(r"^(count|suffix|prefix):.+$")
# What Grafana would put in for its own variables.
BUILT_IN = {"__rate_interval": "1m", "__range": "1h", "__interval": "15s"}
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
LABEL_VALUES = re.compile(r"^label_values\((.+), (\w+)\)$", re.DOTALL)
LOG_SELECTOR = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
# The module of @grafana/schema that has the types of a panel's options.
PANEL_TYPES = {
    "timeseries": "TimeSeries",
    "stat": "Stat",
    "heatmap": "Heatmap",
    "bargauge": "BarGauge",
    "table": "Table",
    "logs": "Logs",
}
SCHEMA_PRELUDE = """\
import type {{ AnnotationQuery, Dashboard, Panel, RowPanel }} from '@grafana/schema';
{imports}
// Grafana's enums as the plain values that JSON has.
type Plain<T> = T extends string ? `${{T}}` : T extends Array<infer U> ? Plain<U>[] : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
interface Target {{ refId: string; datasource: {{ type: string; uid: string }}; expr: string; editorMode?: 'code' | 'builder';
  legendFormat?: string; format?: 'time_series' | 'heatmap' | 'table'; range?: boolean; instant?: boolean; queryType?: 'range' | 'instant' }}
type Annotation = Omit<Plain<AnnotationQuery>, 'target'> & {{ target: {{ refId: string; expr: string }}; titleFormat?: string; textFormat?: string }};
type Whole = Omit<Plain<Dashboard>, 'annotations'> & {{ annotations: {{ list: Annotation[] }} }};
type Of<O, F = Record<string, unknown>> = Omit<Plain<Panel<O, F>>, 'targets' | 'options'> & {{ targets: Target[]; options: Plain<O> }};
"""


class Dashboards:
    """All dashboards, and the data sources that provisioning gives them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.documents: dict[str, dict] = {}
        self.broken: list[tuple[str, str]] = []
        for file in sorted(folder.glob("dashboards/*.json")):
            try:
                self.documents[f"deploy/grafana/dashboards/{file.name}"] = json.loads(file.read_text())
            except json.JSONDecodeError as error:
                self.broken.append((f"deploy/grafana/dashboards/{file.name}", str(error)))
        provisioned = yaml.safe_load((folder / "provisioning/datasources/datasources.yaml").read_text())
        self.sources = {source["uid"]: source for source in provisioned["datasources"]}

    def panels(self):
        for where, document in self.documents.items():
            for panel in document["panels"]:
                yield f"{where}, panel {panel.get('id')} {panel.get('title')!r}", document, panel

    def expressions(self, values: dict[str, str] | None = None):
        """Every PromQL expression: where, target, and the text with Grafana's variables filled in."""
        for where, document, panel in self.panels():
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == "prometheus":
                    yield where, target, fill(target["expr"], document, values)
        for where, document in self.documents.items():
            for annotation in document["annotations"]["list"]:
                yield (
                    f"{where}, annotation {annotation['name']!r}",
                    {},
                    fill(annotation["target"]["expr"], document, values),
                )


def fill(expression: str, document: dict, values: dict[str, str] | None = None) -> str:
    multi = {v["name"]: v.get("multi") for v in document["templating"]["list"]}

    def value(match: re.Match) -> str:
        name = match.group(1)
        return (values or {}).get(name) or BUILT_IN.get(name) or (".+" if multi.get(name) else name)

    return VARIABLE.sub(value, expression)


def check_structure(dashboards: Dashboards, alloy_labels: set[str]) -> None:
    for where, error in dashboards.broken:
        wrong(where, f"no JSON: {error}")
    uids: dict[str, str] = {}
    for where, document in dashboards.documents.items():
        if (uid := document.get("uid")) in uids or not uid:
            wrong(where, f"uid {uid!r} is not its own", f"another one than {uids.get(uid)}")
        uids[uid] = where
        if not document.get("title") or not document.get("description"):
            wrong(where, "no title or no description")
        if document.get("id") is not None:
            wrong(where, "has the id of one Grafana's database", "no id: the uid names it")
        ids = [panel["id"] for panel in document["panels"]]
        for number in {number for number in ids if ids.count(number) > 1}:
            wrong(where, f"two panels have the id {number}")
        overlaps(where, document["panels"])
        variables(where, document)
    count = 0
    for where, _, panel in dashboards.panels():
        if panel["type"] == "row":
            continue
        count += 1
        check_panel(where, dashboards, panel)
        for target in panel["targets"]:
            if target["datasource"]["type"] == "loki":
                used = set(LOG_SELECTOR.findall(target["expr"].split("}", 1)[0]))
                if used - alloy_labels:
                    wrong(
                        where,
                        f"no log line has the labels {sorted(used - alloy_labels)}",
                        f"of {sorted(alloy_labels)}",
                    )
    passed(
        f"structure: {len(dashboards.documents)} dashboards, {count} panels with unit, description and data source"
    )


def check_panel(where: str, dashboards: Dashboards, panel: dict) -> None:
    if panel["type"] not in PANEL_TYPES:
        wrong(
            where,
            f"the type {panel['type']} is not checked",
            f"one of {sorted(PANEL_TYPES)}, or an entry in PANEL_TYPES",
        )
    if len(panel.get("description", "").split()) < 3:
        wrong(where, "no description", "a sentence that says what it shows, and what would be bad")
    unit = (
        panel["options"]["yAxis"].get("unit")
        if panel["type"] == "heatmap"
        else panel["fieldConfig"]["defaults"].get("unit")
    )
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    if not unit or (unit not in UNITS and not FREE_UNIT.match(unit)):
        wrong(where, f"the unit is {unit!r}", f"one of {sorted(UNITS)}, or count:…, suffix:…")
    if counts_failures(panel) and custom["scaleDistribution"]["type"] == "linear":
        wrong(where, "one failure a second is not seen beside what goes well", "scaleDistribution symlog")
    references = [target["refId"] for target in panel["targets"]]
    if len(set(references)) != len(references) or not references:
        wrong(where, f"its queries are {references}", "at least one, each with its own letter")
    for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
        known = dashboards.sources.get(source["uid"])
        if known is None or known["type"] != source["type"]:
            wrong(
                where,
                f"the data source {source} is not provisioned",
                f"one of {[(s['type'], uid) for uid, s in dashboards.sources.items()]}",
            )


def counts_failures(panel: dict) -> bool:
    """Whether failures are drawn over time on one scale with what goes well."""
    text = " ".join(target.get("legendFormat", "") for target in panel["targets"])
    return panel["type"] == "timeseries" and re.search(r"\{\{(status|outcome)\}\}", text) is not None


def overlaps(where: str, panels: list[dict]) -> None:
    taken: dict[tuple[int, int], int] = {}
    for panel in panels:
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > 24:
            wrong(where, f"panel {panel['id']} is beyond the right edge", "x + w of at most 24")
        for cell in (
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ):
            if cell in taken:
                wrong(where, f"panels {taken[cell]} and {panel['id']} lie upon each other")
                break
            taken[cell] = panel["id"]


def variables(where: str, document: dict) -> None:
    defined = {variable["name"] for variable in document["templating"]["list"]}
    used = set(VARIABLE.findall(json.dumps([panel.get("targets") for panel in document["panels"]])))
    for name in used - defined - set(BUILT_IN):
        wrong(where, f"${name} is not defined", f"one of {sorted(defined | set(BUILT_IN))}")
    for name in defined - used:
        wrong(where, f"the variable {name} is not used")


def check_expressions(dashboards: Dashboards, inventory, values: dict[str, str]) -> None:
    """Metrics, labels, values, legends; and all through promtool, each wrapped as a recording rule."""
    wrapped = []
    for where, target, expression in dashboards.expressions(values):
        wrapped.append({"record": f"panel:expression{len(wrapped)}:check", "expr": expression})
        result = inventory.check(where, expression)
        legend = target.get("legendFormat", "")
        for label in promql.LEGEND.findall(legend):
            if result is not None and label not in result:
                wrong(where, f"the legend names {{{{{label}}}}}", f"one of {sorted(result)}")
    for where, document in dashboards.documents.items():
        for variable in document["templating"]["list"]:
            match = LABEL_VALUES.match(variable["query"]["query"])
            if not match:
                wrong(
                    where,
                    f"the variable {variable['name']} asks {variable['query']['query']}",
                    "label_values(metric, label)",
                )
                continue
            result = inventory.check(f"{where}, variable {variable['name']}", match.group(1))
            if result is not None and match.group(2) not in result:
                wrong(
                    where, f"{match.group(1)} has no label {match.group(2)}", f"one of {sorted(result)}"
                )
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "panels.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": wrapped}]}))
        tool(
            "deploy/grafana/dashboards", ["promtool", "check", "rules", "panels.yaml"], file.parent
        )
    passed(
        f"expressions: {len(wrapped)}, by promtool and against what is exported, legends and variables too"
    )


def check_schema(dashboards: Dashboards, modules: pathlib.Path) -> None:
    """Each dashboard and each panel's options as TypeScript values of Grafana's own types."""
    compiler = modules / "node_modules/typescript/bin/tsc"
    if not shutil.which("node") or not compiler.exists():
        passed(
            "schema: LEFT OUT, Node.js or @grafana/schema is missing; the structure was checked all the same"
        )
        return
    imports = "\n".join(
        f"import type * as {name} from '@grafana/schema/dist/esm/raw/composable/{name.lower()}/panelcfg/x/{name}PanelCfg_types.gen';"
        for name in PANEL_TYPES.values()
    )
    with tempfile.TemporaryDirectory(prefix="vote-dashboards-") as folder:
        folder = pathlib.Path(folder)
        (folder / "node_modules").symlink_to((modules / "node_modules").resolve())
        for where, document in dashboards.documents.items():
            name = pathlib.Path(where).stem
            (folder / f"{name}.ts").write_text(
                SCHEMA_PRELUDE.format(imports=imports) + "".join(typed(document))
            )
        config = {
            "compilerOptions": {
                "strict": True,
                "noEmit": True,
                "skipLibCheck": True,
                "target": "es2022",
                "module": "esnext",
                "moduleResolution": "bundler",
                "types": [],
                "isolatedModules": True,
            },
            "include": ["*.ts"],
        }
        (folder / "tsconfig.json").write_text(json.dumps(config))
        done = subprocess.run(
            ["node", compiler, "--project", folder], cwd=folder, capture_output=True, text=True, timeout=120
        )
        if done.returncode != 0:
            wrong(
                "deploy/grafana/dashboards",
                f"not of Grafana's schema:\n{explain(done.stdout + done.stderr, folder)}",
            )
    version = json.loads((modules / "node_modules/@grafana/schema/package.json").read_text())["version"]
    passed(f"schema: every dashboard and panel is of the types of @grafana/schema {version} (tsc)")


def typed(document: dict):
    yield f"export const dashboard = {json.dumps({**document, 'panels': []}, indent=1)} satisfies Whole;\n"
    for panel in document["panels"]:
        kind = PANEL_TYPES.get(panel["type"])
        text = json.dumps(panel, indent=1)
        if panel["type"] == "row":
            yield f"export const panel{panel['id']} = {text} satisfies Plain<RowPanel>;\n"
        elif kind:
            field = f", {kind}.FieldConfig" if kind in ("TimeSeries", "Heatmap", "Table") else ""
            yield f"export const panel{panel['id']} = {text} satisfies Of<{kind}.Options{field}>;\n"


def explain(output: str, folder: pathlib.Path) -> str:
    """The compiler's lines, each with the line of JSON that it is about."""
    lines = []
    for line in output.splitlines():
        lines.append(f"    {line}")
        if match := re.match(r"(\w+\.ts)\((\d+),", line):
            lines.append(
                f"      in: {(folder / match.group(1)).read_text().splitlines()[int(match.group(2)) - 1].strip()}"
            )
    return "\n".join(lines)
