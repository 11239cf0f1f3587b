"""Starts and stops what the live check needs: Redis with a replica, both services, exporter, Prometheus."""

import contextlib
import datetime
import http.server
import json
import os
import pathlib
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import yaml

from lib import ROOT, haproxy
from lib.polls import poll
from lib.processes import WEB, ask, free_port, stop
from lib.report import Ended, Failed
from lib.wait import until

POLL = "monitoring-01"
# A stream says something every ten seconds.
STREAM_PATIENCE_S = 30


class System:
    """Everything that runs, in a folder of its own; all of it is stopped at the end."""

    def __init__(self, bin_dir: pathlib.Path, folder: pathlib.Path) -> None:
        self.bin_dir, self.folder = bin_dir, folder
        self.running: list[subprocess.Popen] = []
        self.spans = 0
        self.collector: grpc.Server | None = None
        self.reading = threading.Event()

    def __enter__(self) -> "System":
        return self

    def __exit__(self, *_) -> None:
        self.reading.set()
        stop(*self.running, patience_s=5)
        if self.collector:
            self.collector.stop(None)

    def start(self, name: str, command: list, environment: dict | None = None) -> subprocess.Popen:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | (environment or {}),
                cwd=self.folder,
            )
        self.running.append(process)
        return process

    def log(self, name: str) -> list[str]:
        return (self.folder / f"{name}.log").read_text().splitlines()

    def ended(self, name: str, process: subprocess.Popen) -> Ended:
        return Ended(f"{name} ended by itself ({process.returncode}):\n" + "\n".join(self.log(name)[:10]))

    def redis(self, name: str, *options: str) -> tuple[subprocess.Popen, int]:
        port = free_port()
        data = self.folder / name
        data.mkdir()
        process = self.start(
            name,
            [
                "redis-server",
                "--port",
                port,
                "--bind",
                "127.0.0.1",
                "--dir",
                data,
                "--appendonly",
                "yes",
                "--repl-diskless-sync-delay",
                "0",
                "--maxmemory",
                "256mb",
                "--maxmemory-policy",
                "noeviction",
                *options,
            ],
        )
        until(name, lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None)
        return process, port

    def service(self, name: str, redis: int, spans: int) -> tuple[subprocess.Popen, dict[str, str]]:
        """A service on free ports; gives its addresses, by the name of the server."""
        process = self.start(
            name,
            [self.bin_dir / name],
            {
                "VOTE__REDIS__URL": f"redis://127.0.0.1:{redis}",
                "VOTE__HTTP__BIND": "127.0.0.1:0",
                "VOTE__ADMIN__BIND": "127.0.0.1:0",
                "VOTE__LOG__FORMAT": "json",
                "VOTE__HTTP__WORKERS": "2",
                "VOTE__SHUTDOWN__GRACE_MS": "0",
                # Nobody comes so often, so that the rules see what all is well with.
                "VOTE__LIMITS__ADDRESS_BURST": "1000000/1s",
                "VOTE__LIMITS__VOTER_BURST": "1000000/1s",
                "VOTE__VOTERS__JWKS_FILE": str(self.voter_keys()),
                "VOTE__GATEWAYS__FILE": str(self.gateways()),
            }
            | traces(spans),
        )

        def listening():
            if process.poll() is not None:
                raise self.ended(name, process)
            lines = [json.loads(line) for line in self.log(name) if line.endswith("}")]
            found = {line["server"]: line["address"] for line in lines if line["message"] == "listening"}
            return found if len(found) == 2 else None

        return process, until(f"{name} listens", listening)

    def voter_keys(self) -> pathlib.Path:
        """The public key of RFC 8037, by which no token of this run is signed."""
        key = {"kty": "OKP", "crv": "Ed25519", "kid": "rfc8037", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
        file = self.folder / "voter-keys.json"
        file.write_text(json.dumps({"keys": [key]}))
        return file

    def gateways(self) -> pathlib.Path:
        """A gateway, whose token nobody has: there is no text with this digest that anybody knows."""
        file = self.folder / "gateways.toml"
        entry = ("[[gateway]]", 'name = "sms"', f'token_sha256 = "{"5a" * 32}"', 'channels = ["sms"]', 'rate = "1000/1s"')
        file.write_text("\n".join(entry) + "\n")
        return file

    def span_sink(self) -> int:
        """Takes OTLP over gRPC, as the collector of Compose does on that port, and counts what came; gives its port."""

        def export(body: bytes, _: grpc.ServicerContext) -> bytes:
            self.spans += len(body) > 0
            return b""

        take = grpc.unary_unary_rpc_method_handler(export)
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        server = grpc.server(ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": take}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.collector = server
        return port

    @staticmethod
    def sink() -> tuple[int, list[tuple[str, str]]]:
        """Takes what is posted; gives its port, and what came where."""
        bodies: list[tuple[str, str]] = []
        # PagerDuty's word for taken, which Slack's is too.
        return sink(202, lambda path, body: bodies.append((path, body.decode()))), bodies

    def votectl(self, redis: int, *arguments: str, stdin: str | None = None) -> None:
        command = [
            self.bin_dir / "votectl",
            "--redis",
            f"redis://127.0.0.1:{redis}",
            "--output",
            "json",
            *arguments,
        ]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=30)
        if done.returncode != 0:
            raise Failed(f"votectl {' '.join(arguments)} failed: {done.stdout}{done.stderr}")

    def open_poll(self, redis: int, results: str) -> None:
        channels = [
            {"id": "torcida", "weight": 60, "eligibility": "open"},
            {"id": "sms", "weight": 30, "eligibility": "open"},
            {"id": "prova", "weight": 10, "eligibility": "proof_of_work"},
            {"id": "unico", "weight": 10, "eligibility": "voter", "votes_per_voter": 1},
        ]
        file = poll(POLL, kind="live", shards=2, channels=channels)
        self.votectl(redis, "poll", "apply", "-", stdin=json.dumps(file))
        self.votectl(redis, "poll", "open", POLL)
        # A draft beside it, whose time is still to come: drafts have a metric of their own.
        closes = datetime.datetime.fromisoformat(file["closes_at"]) + datetime.timedelta(hours=1)
        draft = poll(f"{POLL}-draft", kind="live", opens_at=file["closes_at"], closes_at=f"{closes:%Y-%m-%dT%H:%M:%SZ}")
        self.votectl(redis, "poll", "apply", "-", stdin=json.dumps(draft))
        until(
            "results shows the open poll",
            lambda: '"state":"open"' in ask(f"http://{results}/v1/polls/{POLL}")[2],
        )

    def load(self, redis: int, ingest: str, seconds: int) -> subprocess.Popen:
        until("ingest takes a vote", lambda: self.vote(ingest)[0] == 201)
        return self.start(
            "load",
            [
                self.bin_dir / "votectl",
                "--redis",
                f"redis://127.0.0.1:{redis}",
                "--output",
                "json",
                "load",
                "--poll",
                POLL,
                "--url",
                f"http://{ingest}",
                "--rate",
                200,
                "--duration",
                f"{seconds}s",
                "--connections",
                32,
            ],
        )

    @staticmethod
    def vote(ingest: str, headers: dict | None = None, **fields: str) -> tuple[int, dict, str]:
        body = json.dumps({"candidate": "ana"} | fields).encode()
        return ask(
            f"http://{ingest}/v1/polls/{POLL}/votes",
            {"content-type": "application/json"} | (headers or {}),
            body,
        )

    def read(self, ingest: str, results: str) -> None:
        """Readers of every kind, and votes that are refused, until the end."""
        paths = ["", f"/{POLL}", f"/{POLL}/results", f"/{POLL}/results/hourly", f"/{POLL}/results/minutely"]
        codings = ["identity", "gzip", "br"]

        def forever() -> None:
            tags: dict[tuple, str] = {}
            turn = 0
            while not self.reading.wait(0.05):
                turn += 1
                key = (paths[turn % len(paths)], codings[turn % len(codings)])
                headers = {"accept-encoding": key[1]} | (
                    {"if-none-match": tags[key]} if turn % 2 and key in tags else {}
                )
                with contextlib.suppress(OSError):
                    _, answered, _ = ask(f"http://{results}/v1/polls{key[0]}", headers)
                    tags[key] = answered.get("etag", "")
                    if turn % 10 == 0:
                        self.vote(ingest, channel="sms")
                        self.vote(ingest, candidate="nobody")
                        ask(f"http://{ingest}/v1/polls/{POLL}/challenge?channel=prova")
                        self.vote(ingest, {"idempotency-key": "the-same-key"})
                    # Seldom, or the rules take it for an attack.
                    if turn % 100 == 20:
                        self.vote(ingest, channel="prova")
                        self.vote(ingest, {"authorization": "Bearer a.b.c"}, channel="unico")

        def stream() -> None:
            while not self.reading.is_set():
                with contextlib.suppress(OSError), WEB.open(
                    f"http://{results}/v1/polls/{POLL}/results/stream?view=rows", timeout=STREAM_PATIENCE_S
                ) as events:
                    for _ in events:
                        if self.reading.is_set():
                            return
                self.reading.wait(1)

        threading.Thread(target=forever, daemon=True).start()
        threading.Thread(target=stream, daemon=True).start()

    def exporter(self, redis: int) -> int:
        """A Redis exporter with Compose's own settings, but for where Redis is and how to log in."""
        port = free_port()
        services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        environment = services["redis-exporter"]["environment"]
        settings = {name: value for name, value in environment.items() if name.startswith("REDIS_EXPORTER_")}
        self.start(
            f"redis-exporter-{port}",
            [
                "prometheus-redis-exporter",
                "-redis.addr",
                f"redis://127.0.0.1:{redis}",
                "-web.listen-address",
                f"127.0.0.1:{port}",
            ],
            settings,
        )
        until("redis exporter", lambda: "redis_up 1" in ask(f"http://127.0.0.1:{port}/metrics")[2])
        return port

    def proxy(self) -> int:
        """Compose's proxy with its ports on this machine, and nobody behind it; gives the port of its metrics."""
        port = free_port()
        path = self.folder / "haproxy.cfg"
        path.write_text(haproxy.configuration(free_port(), port))
        self.start("proxy", ["haproxy", "-db", "-f", path])
        until("the proxy", lambda: ask(f"http://127.0.0.1:{port}/metrics?no-maint=")[0] == 200)
        return port

    def prometheus(self, name: str, configuration: pathlib.Path, port: int) -> str:
        process = self.start(
            name,
            [
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={configuration.parent}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
        )

        def ready():
            if process.poll() is not None:
                raise self.ended(name, process)
            return ask(f"http://127.0.0.1:{port}/-/ready")[0] == 200

        until(name, ready)
        return f"http://127.0.0.1:{port}"


def traces(collector: int) -> dict[str, str]:
    """What Compose's profile sets, and nothing more, for a collector on another port: every vote is traced."""
    lines = (ROOT / "deploy/compose/observability.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line.startswith("OTEL_"))
    return settings | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}"}


def sink(status: int, take: Callable[[str, bytes], None]) -> int:
    """A server that gives each POST to `take`; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
