"""What was measured: docs/measured/table.json, voters.json, growth.json and minute.json."""

import json
import pathlib

from lib import ROOT

FOLDER = ROOT / "docs/measured"


class Missing(Exception):
    """What was not measured."""


class Seen:
    """The figures of all four."""

    def __init__(self, folder: pathlib.Path = FOLDER):
        names = ("table", "voters", "growth", "minute")
        self.table, self.voters, self.growth, self.minute = (read(folder / f"{name}.json") for name in names)

    def row(self, row: str, connections: int, figure: str) -> float:
        """Of the main table."""
        return of_table(self.table, "rows", row, connections, figure)

    def compared(self, row: str, connections: int, figure: str) -> float:
        """Of the main table: this build ÷ the one before."""
        return of_table(self.table, "compared", row, connections, figure)

    def added(self, row: str, connections: int, figure: str) -> float:
        """Of the rows of who may vote: with what the row has more ÷ without it."""
        return of_table(self.voters or self.table, "added", row, connections, figure)

    def curve(self, title: str, label: str) -> dict[float, float]:
        """Of the curves: values by size. Titles that end in a figure are known by what stands before it."""
        for chart in self.growth.get("charts", []):
            for curve in chart["curves"] if beginning(chart["title"]) == title else []:
                if curve["label"] == label and curve["points"]:
                    return {point["size"]: point["value"]["median"] for point in curve["points"]}
        raise Missing(title)

    def at(self, title: str, label: str, size: float) -> float:
        values = self.curve(title, label)
        if size not in values:
            raise Missing(f"{title} at {size}")
        return values[size]

    def at_beginning(self, title: str, label: str, size: float) -> float:
        """Of the curve whose label begins so: the greatest, where several do."""
        labels = {curve["label"] for chart in self.growth.get("charts", []) if chart["title"] == title for curve in chart["curves"]}
        found = [self.at(title, each, size) for each in labels if each.startswith(label)]
        if not found:
            raise Missing(f"{title}: {label}")
        return max(found)

    def figure(self, title: str) -> float:
        """Of those without a size."""
        for figure in self.growth.get("figures", []):
            if figure["title"] == title:
                return figure["value"]
        raise Missing(title)

    def of_minute(self, figure: str) -> float:
        if figure not in self.minute:
            raise Missing(figure)
        return self.minute[figure]


def of_table(table: dict, part: str, row: str, connections: int, figure: str) -> float:
    for each in table.get(part, []):
        if (each["row"], each["connections"]) == (row, connections) and each.get(figure):
            return each[figure]["median"]
    raise Missing(f"{part} {row} {connections}")


def is_whole(table: dict) -> bool:
    """Whether it is the main table: rows that were measured alone are a table of their own."""
    return any(row["row"] == "actix-web" for row in table["rows"])


def read(path: pathlib.Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}


def merged(old: dict, new: dict) -> dict:
    """All curves: those that were measured anew in place of the old ones, each with where and when it was measured."""
    if not old:
        return new
    charts = {chart["title"]: {"machine": old["machine"]} | chart for chart in old["charts"]}
    figures = {figure["title"]: figure for figure in old.get("figures", [])}
    for chart in new["charts"]:
        # What begins alike but for its figures is the same curve.
        alike = [title for title in charts if beginning(title) == beginning(chart["title"])]
        for title in alike:
            del charts[title]
        charts[chart["title"]] = chart | {"machine": new["machine"]}
    figures |= {figure["title"]: figure for figure in new.get("figures", [])}
    return new | {"charts": list(charts.values()), "figures": list(figures.values())}


def beginning(title: str) -> str:
    """Up to a figure that is measured as well: the peak's rate, the size of a body."""
    return title.split("; the peak is ")[0].split(" a body of ")[0]
