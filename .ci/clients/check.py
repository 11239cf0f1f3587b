#!/usr/bin/env python3
"""Makes clients of openapi/*.json by three generators, compiles them, and votes and reads by each on the live services.

Then runs the example of docs/clients.md, whose connection is cut just before the answer to its first request.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from lib import ROOT, report
from lib.processes import ask_json
from lib.report import passed, require, title
from lib.services import services
from lib.wait import until

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = ("ingest", "results")
PAGE = ROOT / "docs" / "clients.md"
LIMIT_S = 180
BIN = pathlib.Path(sys.executable).parent
# What two lines of a gateway are answered: a vote, and one for nobody.
BATCH = ["accepted", "unknown-candidate"]
# What every program has to have seen on its way: a vote, the problem of a wrong one, an unknown poll.
SEEN = {"status": "accepted", "code": "direction-mismatch", "direction": "eliminate", "unknown": "none"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=pathlib.Path, required=True, help="where the binaries are")
    parser.add_argument("--node-modules", type=pathlib.Path, required=True, help="where npm has installed")
    arguments = parser.parse_args()
    return report.main("clients", lambda: check(arguments.bin_dir.resolve(), arguments.node_modules.resolve()))


def check(bin_dir: pathlib.Path, node_modules: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(prefix="vote-clients-") as folder:
        folder = pathlib.Path(folder)
        shutil.copytree(HERE / "programs", folder, dirs_exist_ok=True)
        for configuration in ("tsconfig.json", "mypy.ini"):
            shutil.copy(HERE / configuration, folder)
        (folder / "node_modules").symlink_to(node_modules)
        (folder / "example.mjs").write_text(example(PAGE.read_text()))

        title("the clients are made and compiled")
        make_typescript(folder)
        make_python(folder)
        with services(bin_dir, folder, {}) as addresses:
            title("each votes and reads")
            try_out(folder, addresses, "openapi-typescript", "node", "out/openapi-typescript.js")
            try_out(folder, addresses, "@hey-api/openapi-ts", "node", "out/hey-api.js")
            try_out(folder, addresses, "openapi-python-client", sys.executable, "openapi_python_client.py")
            title("the example of docs/clients.md, over a connection that is cut")
            try_example(folder, addresses)


def make_typescript(folder: pathlib.Path) -> None:
    tools = folder / "node_modules" / ".bin"
    for service in SERVICES:
        document = ROOT / "openapi" / f"{service}.json"
        run(folder, tools / "openapi-typescript", document, "--output", f"openapi-typescript/{service}.ts")
        passed(f"openapi-typescript: {service}")
        hey_api = (tools / "openapi-ts", "--input", document, "--output", f"hey-api/{service}")
        run(folder, *hey_api, "--client", "@hey-api/client-fetch")
        passed(f"@hey-api/openapi-ts: {service}")
    run(folder, tools / "tsc", "--project", ".")
    passed("tsc --strict takes both, and the programs that use them")


def make_python(folder: pathlib.Path) -> None:
    for service in SERVICES:
        document = ROOT / "openapi" / f"{service}.json"
        command = (BIN / "openapi-python-client", "generate", "--path", document, "--output-path", service)
        # Lines of JSON are bytes to it.
        command = (*command, "--config", HERE / "openapi_python_client.yaml")
        # A warning is an operation or a schema that was left out.
        run(folder, *command, "--meta", "none", "--fail-on-warning")
        passed(f"openapi-python-client: {service}")
    run(folder, sys.executable, "-m", "mypy", "openapi_python_client.py")
    passed("mypy --strict takes it, and the program that uses it")


def try_out(folder: pathlib.Path, addresses: dict, name: str, *program: str) -> None:
    before = votes(addresses)
    token = pathlib.Path(addresses["gateway_token_file"]).read_text().strip()
    given = (addresses["vote"], addresses["results"], addresses["poll"], addresses["rehearsal"], token)
    seen = run_json(folder, *program, *given)
    receipt, total = seen.pop("receipt"), seen.pop("total")
    # Lines that are no schema's are for clients that take bytes.
    require(seen.pop("batch", BATCH) == BATCH, f"{name}: its batch has an answer a line")
    require(seen == SEEN, f"{name}: {json.dumps(seen)}")
    require(isinstance(total, int), f"{name}: the standing has a total ({total})")
    counted(addresses, receipt, before + 1, name)


def try_example(folder: pathlib.Path, addresses: dict) -> None:
    before = votes(addresses)
    seen = run_json(folder, "node", "cut.mjs", addresses["vote"], addresses["poll"])
    require(seen["requests"] == 2, f"the cut one was sent again ({seen['requests']} requests)")
    require(seen["keys"] == 1, "with the same key")
    require(seen["status"] == "already_accepted", f"and is told so: {seen['status']}")
    require(seen["gave_up"] == "unknown-candidate", f"what is refused is not repeated: {seen['gave_up']}")
    # That of the first answer was cut off; the repeat's is as good.
    counted(addresses, seen["receipt"], before + 1, "the example")


def counted(addresses: dict, receipt: str, total: int, name: str) -> None:
    until(f"the standing has {total} votes", lambda: votes(addresses) == total)
    passed(f"{name}: its vote is counted once ({total} in all)")
    proof = f"{addresses['results']}/v1/receipts/{receipt}"
    until("the receipt proves its vote", lambda: ask_json(proof)[1]["in_tally"])
    passed(f"{name}: its receipt is good")


def votes(addresses: dict) -> int:
    return ask_json(f"{addresses['results']}/v1/polls/{addresses['poll']}/results")[1]["total_votes"]


def example(page: str) -> str:
    """The page's blocks that begin with `js tested`, in one file."""
    blocks = re.findall(r"^```js tested\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    require(blocks, f"{PAGE.name} has an example")
    return "\n".join(blocks)


def run_json(folder: pathlib.Path, *command: object) -> dict:
    return json.loads(run(folder, *command))


def run(folder: pathlib.Path, *command: object) -> str:
    """What it prints; all of it is said where it fails."""
    # Tools of the environment, such as the formatter of generated Python, are found beside it.
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "CI": "1"}
    # What these speak to is on this machine; and the programs find their clients beside them.
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PYTHONPATH", "PYTHONSAFEPATH"):
        environment.pop(name, None)
    end = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if end.returncode != 0:
        name = " ".join(pathlib.Path(str(part)).name for part in command[:2])
        raise report.Failed(f"{name} exits {end.returncode}:\n{end.stdout}{end.stderr}")
    return end.stdout


if __name__ == "__main__":
    raise SystemExit(main())
