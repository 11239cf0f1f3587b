"""The rules on a real Prometheus, which scrapes both real services under load, and then an outage."""

import json
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.parse

import yaml

from lib.processes import ask, free_port
from lib.report import passed, wrong
from lib.wait import TooLate, until

from . import dashboards as boards
from . import promql
from .inventory import Inventory
from .processes import POLL, System
from .real_time import objectives

# `for` and intervals of the same rule files, shortened: what a rule says stays, how long it hesitates does not.
INTERVAL, LONGEST_FOR = "1s", "2s"
LOAD_S = 240


def test_configuration(
    source: pathlib.Path, folder: pathlib.Path, targets: dict[str, list[str]], *, hurried: bool
) -> pathlib.Path:
    """prometheus.yml with targets on this machine; in a hurry also with short intervals, its rules' too."""
    folder.mkdir()
    configuration = yaml.safe_load((source / "prometheus.yml").read_text())
    configuration.pop("alerting")
    for scrape in configuration["scrape_configs"]:
        for key in [key for key in scrape if key.endswith("_sd_configs") or key == "static_configs"]:
            scrape.pop(key)
        scrape["static_configs"] = [{"targets": targets.get(scrape["job_name"], [])}]
    (folder / "rules").mkdir()
    for file in source.glob("rules/*.yaml"):
        (folder / "rules" / file.name).write_text(file.read_text())
    if hurried:
        hurry(configuration, folder)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def hurry(configuration: dict, folder: pathlib.Path) -> None:
    """Shortens every interval, and every `for`."""
    configuration["global"] = {
        "scrape_interval": INTERVAL,
        "scrape_timeout": INTERVAL,
        "evaluation_interval": INTERVAL,
    }
    for scrape in configuration["scrape_configs"]:
        for key in ("scrape_interval", "scrape_timeout"):
            scrape.pop(key, None)
    for file in folder.glob("rules/*.yaml"):
        document = yaml.safe_load(file.read_text())
        for group in document["groups"]:
            group["interval"] = INTERVAL
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = LONGEST_FOR
        file.write_text(yaml.safe_dump(document))


def lint(job: str, text: str) -> None:
    """Whoever names no format gets text 0.0.4, which promtool reads."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=20)
    if done.returncode == 1 or text.endswith("# EOF\n"):
        wrong(f"/metrics of {job}", f"it is no text format: {done.stderr.strip() or 'it ends with # EOF'}")


class Api:
    """Prometheus' HTTP interface."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **query: str) -> dict:
        _, _, text = ask(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        answer = json.loads(text)
        if answer["status"] != "success":
            raise ValueError(f"{query or path}: {answer['error']}")
        return answer["data"]

    def query(self, expression: str) -> list[dict]:
        return self.ask("query", query=expression)["result"]

    def alerts(self, state: str = "firing") -> dict[str, dict]:
        return {a["labels"]["alertname"]: a for a in self.ask("alerts")["alerts"] if a["state"] == state}


class Live:
    """One run: scrape, compare later, evaluate, break, evaluate again."""

    def __init__(
        self, inventory: Inventory, deploy: pathlib.Path, bin_dir: pathlib.Path, folder: pathlib.Path
    ) -> None:
        self.inventory, self.deploy = inventory, deploy
        self.system = System(bin_dir, folder)
        self.folder = folder

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *arguments) -> None:
        self.system.__exit__(*arguments)

    def start(self) -> None:
        system = self.system
        self.redis, self.redis_port = system.redis("redis")
        _, replica = system.redis("replica", "--replicaof", f"127.0.0.1 {self.redis_port}")
        spans = system.span_sink()
        self.ingest, ingest = system.service("vote-ingest", self.redis_port, spans)
        _, results = system.service("vote-results", self.redis_port, spans)
        self.public = ingest["public"]
        self.admin = {"vote-ingest": ingest["admin"], "vote-results": results["admin"]}
        exporter = system.exporter(self.redis_port) if shutil.which("prometheus-redis-exporter") else None
        self.exporter_urls: dict[str, list[str]] = {}
        if exporter:
            self.exporter_urls["redis"] = [
                f"http://127.0.0.1:{exporter}/metrics",
                f"http://127.0.0.1:{exporter}/scrape?target=redis://127.0.0.1:{replica}",
            ]
        port = free_port()
        targets = {job: [address] for job, address in self.admin.items()} | {
            "prometheus": [f"127.0.0.1:{port}"]
        }
        if exporter:
            targets["redis"] = [f"127.0.0.1:{exporter}"]
        if shutil.which("haproxy"):
            targets["proxy"] = [f"127.0.0.1:{system.proxy()}"]
            self.exporter_urls["proxy"] = [f"http://{targets['proxy'][0]}/metrics?no-maint="]
        self.targets = targets
        system.open_poll(self.redis_port, results["public"])
        system.read(self.public, results["public"])
        self.load = system.load(self.redis_port, self.public, LOAD_S)
        source = self.deploy / "prometheus"
        fast = test_configuration(source, self.folder / "hurried", targets, hurried=True)
        self.api = Api(system.prometheus("prometheus", fast, port))
        slow = free_port()
        targets = targets | {"prometheus": [f"127.0.0.1:{slow}"]}
        if exporter:
            # An exporter asks once at a time, and one that hangs would have a queue of those in a hurry.
            targets["redis"] = [f"127.0.0.1:{system.exporter(self.redis_port)}"]
        real = test_configuration(source, self.folder / "as-it-is", targets, hurried=False)
        self.real_time = Api(system.prometheus("prometheus-as-it-is", real, slow))
        self.started = time.monotonic()
        passed(
            f"running: Redis and a replica, both services, {'a Redis exporter, ' if exporter else ''}Prometheus, 200 votes a second, readers"
        )
        passed(
            f"the rule files are those of deploy/prometheus/rules: in one Prometheus with every interval {INTERVAL} and every"
            f" `for` {LONGEST_FOR}, in another one as they are"
        )

    def scrape(self, listed: dict[str, dict]) -> None:
        """What is exported, after some seconds of load; and the exporter's list against a real one."""
        rate = 'sum(rate(http_server_request_duration_seconds_count{job="vote-ingest"}[1m]))'

        def load_is_there():
            if self.load.poll() is not None:
                raise self.system.ended("load", self.load)
            return self.api.query(f"{rate} > 50")

        until("the load has come through", load_is_there)
        for job, address in self.admin.items():
            text = ask(f"http://{address}/metrics")[2]
            names = self.inventory.scraped(job, text)
            lint(job, text)
            passed(f"{job} exports {len(names)} names, in the text format by promtool")
        self.inventory.scraped("prometheus", ask(f"{self.api.url}/metrics")[2])
        exported = Inventory(set())
        for job, urls in self.exporter_urls.items():
            for url in urls:
                exported.scraped(job, ask(url)[2])
        where = "deploy/prometheus/exporters.yaml"
        for job, metrics in listed.items():
            for name, entry in metrics.items():
                labels = set((entry or {}).get("labels", []))
                self.inventory.listed(job, name, labels)
                real = exported.metrics.get(name)
                if job not in self.exporter_urls:
                    continue
                if real is None:
                    wrong(where, f"a real exporter of {job} has no {name}", exported.nearest(name))
                elif not labels <= real.labels:
                    wrong(
                        where,
                        f"{name} has the labels {sorted(labels)}",
                        f"{sorted(real.labels - {'job', 'instance'})}",
                    )
        for job, package in {"redis": "prometheus-redis-exporter", "proxy": "haproxy"}.items():
            if job in self.exporter_urls:
                passed(f"exporters.yaml: {len(listed[job])} metrics of {job} compared with a real {package}")
            else:
                passed(f"exporters.yaml: {job} not compared, {package} is not installed")

    def health(self, rules) -> None:
        """Targets up, every recording rule with a value, no rule in error, nothing that pages."""
        until("targets", lambda: len(self.api.query("up == 1")) == len(self.targets), 20)
        for target in self.api.ask("targets")["activeTargets"]:
            if target["health"] != "up":
                wrong(
                    f"target {target['labels']}", f"is {target['health']}: {target['lastError']}", "up"
                )
        waiting = set(rules.recording)
        if "redis" not in self.exporter_urls:
            waiting -= {name for name in rules.recording if "redis" in name}
        valued = set()

        def all_have_values():
            for name in waiting - valued:
                if self.api.query(name):
                    valued.add(name)
            return valued >= waiting

        try:
            until("recording rules", all_have_values, 30)
        except TooLate:
            for name in sorted(waiting - valued):
                wrong(
                    rules.recording[name][0]["file"],
                    f"{name} has no value while both services are under load",
                )
        # What had to settle has settled, and an alert that would page had its time to fire.
        time.sleep(max(0.0, 12 - (time.monotonic() - self.started)))
        failing = [
            (group["name"], rule)
            for group in self.api.ask("rules")["groups"]
            for rule in group["rules"]
            if rule["health"] != "ok"
        ]
        for group, rule in failing:
            wrong(
                f"deploy/prometheus/rules, group {group}, {rule['name']}",
                f"is {rule['health']}: {rule.get('lastError')}",
            )
        # One that fired while the services were starting has ended by then; one that stays is wrong.
        try:
            until("nothing pages", lambda: not self.pages(), 10)
        except TooLate:
            for name, alert in self.pages().items():
                summary = alert["annotations"]["summary"]
                wrong(f"alert {name}", f"fires although all is well: {summary}", "silent")
        firing = self.api.alerts()
        rate = sum(float(sample["value"][1]) for sample in self.api.query("poll:votes_accepted:rate1m"))
        passed(
            f"healthy at {rate:.0f} accepted votes a second: {len(self.targets)} targets up, {len(valued)} recording rules with values, "
            f"{len(rules.alerts)} alerts without an error, nothing pages"
            + (f" (firing: {', '.join(sorted(firing))})" if firing else "")
        )

    def pages(self) -> dict[str, dict]:
        return {
            name: alert for name, alert in self.api.alerts().items() if alert["labels"]["severity"] == "page"
        }

    @staticmethod
    def resting_on(rules, metrics: set[str]) -> set[str]:
        """These metrics, and the recording rules that read one of them, at any remove."""
        found = set(metrics)
        while True:
            more = {
                name
                for name, all_rules in rules.recording.items()
                if name not in found
                for rule in all_rules
                for selector in promql.selectors(promql.parse(rule["expr"]))
                if promql.name_of(selector) in found
            }
            if not more:
                return found
            found |= more

    def panels(self, dashboards: boards.Dashboards, rules, listed: dict[str, dict]) -> None:
        """Every panel's query, asked of the real server. One without data is wrong, unless it can have none here."""
        quiet = {
            name
            for job, metrics in listed.items()
            for name, entry in metrics.items()
            if job not in self.exporter_urls or entry.get("seen_on")
        }
        quiet = self.resting_on(rules, quiet | {"ALERTS"})
        count = without = 0
        for where, _, expression in dashboards.expressions({"poll": POLL}):
            count += 1
            names = {promql.name_of(selector) for selector in promql.selectors(promql.parse(expression))}
            try:
                # A scrape that a busy machine was late for leaves a gap of a second.
                if self.api.query(expression) or not quiet & names and self.has_data(expression):
                    continue
            except ValueError as error:
                wrong(where, f"Prometheus refuses its query: {error}")
                continue
            without += 1
            if not quiet & names:
                wrong(where, f"{expression!r} has no data while both services are under load")
        for sample in self.api.query('count(haproxy_server_status{state="MAINT"} == 1)'):
            wrong("deploy/prometheus/prometheus.yml, proxy", f"{sample['value'][1]} empty places are scraped", "none")
        passed(
            f"panels: {count} queries asked of the server, {count - without} with data, {without} without (alerts, replicas)"
        )

    def has_data(self, expression: str) -> bool:
        """Whether a query that has none has some soon."""
        try:
            return bool(until(expression, lambda: self.api.query(expression), patience_s=10))
        except TooLate:
            return False

    def outage(self) -> None:
        """Redis hangs, then stands still until a lane logs it within a trace, ingest is killed, then Redis."""
        self.hang()
        for _ in range(6):
            if self.stall_is_traced():
                break
        self.load.terminate()
        until("spans arrive by OTLP", lambda: self.system.spans > 0, 10)
        passed(f"traces: {self.system.spans} exports by OTLP, with what Compose sets")
        self.ingest.kill()
        self.ingest.wait()
        self.fires("IngestDown", "ingest was killed")
        self.redis.kill()
        self.redis.wait()
        self.fires("SnapshotStale", "Redis was killed")
        if "redis" in self.exporter_urls:
            self.fires("RedisDown", "Redis was killed")
            self.fires("NoRedisAnswers", "Redis was killed")
        objectives(self.real_time)

    def hang(self) -> None:
        """Redis hangs, as long as it takes to be told by the rules as they are; then votes go on."""
        self.redis.send_signal(signal.SIGSTOP)
        try:
            if "redis" in self.exporter_urls:
                self.fires("RedisDown", "Redis hangs", self.real_time, 50)
                self.fires("NoRedisAnswers", "Redis hangs", self.real_time, 50)
            # Rules as they are look at the figures' age four times a minute, and one reads what another has recorded.
            missed = 'slo:error:ratio{slo="figures_fresh", window="5m"} > 0.01'
            until("an objective shows that Redis hangs", lambda: self.real_time.query(missed), 60)
        finally:
            self.redis.send_signal(signal.SIGCONT)
        until("votes are accepted again", lambda: self.system.vote(self.public)[0] == 201)

    def stall_is_traced(self) -> bool:
        """Stops Redis for some seconds: a batch in flight that carries a traced vote says so, a heartbeat doesn't."""
        self.redis.send_signal(signal.SIGSTOP)
        try:
            return until(
                "a traced line",
                lambda: any('"trace_id"' in line for line in self.system.log("vote-ingest")),
                3,
            )
        except TooLate:
            return False
        finally:
            self.redis.send_signal(signal.SIGCONT)
            # The lanes get going again, so that the next stall meets a batch.
            time.sleep(1)

    def fires(self, alert: str, because: str, api: Api | None = None, patience_s: int = 25) -> None:
        api = api or self.api
        started = time.monotonic()
        try:
            found = until(alert, lambda: api.alerts().get(alert), patience_s)
        except TooLate:
            wrong(f"alert {alert}", f"does not fire although {because}; firing: {sorted(api.alerts())}")
            return
        passed(
            f"{alert} fires {time.monotonic() - started:.0f} s after {because}: {found['annotations']['summary']!r}"
        )

    def logs(self) -> dict[str, list[str]]:
        return {service: self.system.log(service) for service in self.admin}
