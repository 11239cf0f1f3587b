"""Reads each feed of a live service by a parser that is not ours: Python's of JSON, CSV and XML, and a spreadsheet's import.

Starts Redis and both services by `votectl dev`, applies a poll whose names need quoting and escaping in every format,
votes, releases it, and compares what each parser makes of the feeds, by one value each. The spreadsheet is LibreOffice, where
the machine has it.
"""

import argparse
import csv
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from lib import report
from lib.polls import poll
from lib.processes import ask, ask_json
from lib.report import Failed, left_out, passed
from lib.services import services
from lib.wait import until

POLL = "feeds-01"
NAMES = ['D\'Ávila, "Zé"', "<b>Ana & Bia</b>; =1+2", "李小龙 ❤️", "   no-break   "]
QUERY = "rows=6&sort=rank&lang=pt"
VOTES = [3, 1, 1, 0]
PATIENCE_S = 60
LIMIT_S = 120


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True, help="where the binaries are")
    arguments = parser.parse_args()
    return report.main("feeds", lambda: check(arguments.bin_dir.resolve()))


def check(bin_dir: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(prefix="vote-feeds-") as folder:
        folder = pathlib.Path(folder)
        with services(bin_dir, folder, {}) as addresses:
            base = prepare(bin_dir, addresses)
            rows = json.loads(read(f"{base}.rows.json?{QUERY}", "application/json"))
            expected(rows)
            flat(json.loads(read(f"{base}.flat.json?{QUERY}", "application/json")), rows)
            table(read(f"{base}.csv?{QUERY}", "text/csv; charset=utf-8; header=present"), rows)
            elements(read(f"{base}.xml?{QUERY}", "text/xml; charset=utf-8"), rows)
            spreadsheet(read(f"{base}.csv?{QUERY}", "text/csv; charset=utf-8; header=present"), rows, folder)


def prepare(bin_dir: pathlib.Path, addresses: dict) -> str:
    """The poll with its votes, released; gives the beginning of its feeds' addresses."""
    candidates = [{"id": f"c{place}", "name": name} for place, name in enumerate(NAMES)]
    file = poll(POLL, title='Paredão "1" <&>', kind="live", candidates=candidates)

    def votectl(*words: str, given: str | None = None) -> None:
        command = [bin_dir / "votectl", "--redis", addresses["redis"], "--output", "json", *words]
        subprocess.run(command, check=True, input=given, stdout=subprocess.DEVNULL, text=True)

    votectl("poll", "apply", "-", given=json.dumps(file))
    votectl("poll", "open", POLL)
    votectl("poll", "release", POLL, "--yes")
    for place, votes in enumerate(VOTES):
        for _ in range(votes):
            until("a vote is taken", lambda body={"candidate": f"c{place}"}: vote(addresses, body), PATIENCE_S)
    base = f"{addresses['results']}/v1/polls/{POLL}/results"

    def is_counted() -> bool:
        status, body = ask_json(f"{base}.flat.json")
        return status == 200 and body["total_votes"] == sum(VOTES)

    until("all votes are in the feed", is_counted, PATIENCE_S)
    return base


def must(holds: object, text: str) -> None:
    if not holds:
        raise Failed(text)


def vote(addresses: dict, body: dict) -> bool:
    return ask_json(f"{addresses['vote']}/v1/polls/{POLL}/votes", body)[0] == 201


def read(url: str, content_type: str) -> str:
    status, headers, body = ask(url)
    must(status == 200, f"{url} answers 200")
    found = {name.lower(): value for name, value in headers.items()}["content-type"]
    must(found == content_type, f"{url} is {content_type}, not {found}")
    return body


def expected(rows: list[dict]) -> None:
    """The rows as the votes make them."""
    # The last name is read without the blanks around it.
    names = [*(name.strip() for name in NAMES), "", ""]
    must([row["name"] for row in rows] == names, f"the names are {names}: {[row['name'] for row in rows]}")
    must([row["rank"] for row in rows] == [1, 2, 2, 4, None, None], "equals share a rank, in the poll's order")
    texts = [row["percent_text"] for row in rows]
    must(texts == ["60,00 %", "20,00 %", "20,00 %", "0,00 %", "", ""], f"percentages are texts of the language: {texts}")
    must(all(row["on_air"] is True for row in rows), "every row says that it is on air")
    passed("rows.json, by Python's json")


def flat(one: dict, rows: list[dict]) -> None:
    must(one["rows"] == len(rows), "flat.json says how many rows it has")
    for place, row in enumerate(rows, start=1):
        for name, value in row.items():
            found = one[name] if f"c{place}_{name}" not in one else one[f"c{place}_{name}"]
            must(found == value, f"flat.json, c{place}_{name}: {found!r}, not {value!r}")
    passed("flat.json, by Python's json")


def plain(name: str, value: object) -> str:
    """A value as the formats of text have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.2f}" if name == "percent" else str(value)


def table(text: str, rows: list[dict]) -> None:
    read_rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    wanted = [{name: plain(name, value) for name, value in row.items()} for row in rows]
    must(read_rows == wanted, f"csv reads as the rows do: {read_rows}")
    passed("csv, by Python's csv")


def elements(text: str, rows: list[dict]) -> None:
    root = xml.etree.ElementTree.fromstring(text.encode())
    candidates = root.findall("candidate")
    must(len(candidates) == len(rows), "xml has an element for each row")
    for place, (element, row) in enumerate(zip(candidates, rows, strict=True), start=1):
        for name, value in row.items():
            wanted = plain(name, value)
            of = element if name in element.attrib else root
            must(of.attrib[name] == wanted, f"xml, attribute {name} of row {place}: {of.attrib[name]!r}")
            must((of.findtext(name) or "") == wanted, f"xml, element {name} of row {place}: {of.findtext(name)!r}")
    found = root.find(".//candidate[@id='c0']/percent_text")
    must(found is not None and found.text == "60,00 %", "an XPath finds a value by the candidate's id")
    passed("xml, by Python's xml")


def spreadsheet(text: str, rows: list[dict], folder: pathlib.Path) -> None:
    """What LibreOffice's import makes of the table, written out again with tabs."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        left_out("a spreadsheet's import: there is no LibreOffice on this machine")
        return
    source = folder / "results.csv"
    source.write_bytes(text.encode())
    # Separator 44, quotes 34, UTF-8 (76), from line 1; out with tabs. Everything is read as text (2): as it was sent.
    columns = "/".join(f"{column}/2" for column in range(1, len(rows[0]) + 1))
    options = ["--infilter=CSV:44,34,76,1," + columns, "--convert-to", "tsv:Text - txt - csv (StarCalc):9,34,76"]
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = [program, profile, "--headless", *options, "--outdir", folder / "out", source]
    subprocess.run(command, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)
    written = (folder / "out" / "results.tsv").read_text(encoding="utf-8-sig")
    read_rows = list(csv.DictReader(io.StringIO(written, newline=""), delimiter="\t"))
    for read_row, row in zip(read_rows, rows, strict=True):
        for name in ("name", "percent_text", "on_air"):
            wanted = plain(name, row[name])
            must(read_row[name].lower() == wanted.lower(), f"the spreadsheet's {name}: {read_row[name]!r}, not {wanted!r}")
    passed("csv, by LibreOffice's import")


if __name__ == "__main__":
    sys.exit(main())
