"""What runs in the pods: settings, termination, security, Redis, polls."""

import math
import pathlib
import re
from collections.abc import Iterator

import yaml

from chart import docs
from chart.render import CHART, Rendered, containers, name_of, pods

from . import SERVICES, breaks, component, pod, rule, workload

NOT_SETTINGS = {"VOTE__CONFIG_FILE"}
# How a client comes to Redis: what the chart sets in the section `redis`.
WAY = {name.removeprefix("redis.") for name in docs.OWNED if name.startswith("redis.")}


def settings_of(rendered: Rendered, name: str) -> dict:
    return yaml.safe_load(rendered.named("ConfigMap", f"{rendered.prefix}-{name}")["data"]["settings.yaml"])


@rule("settings files and VOTE__ variables name settings that exist, and files that are mounted")
def settings(rendered: Rendered) -> Iterator[str]:
    known = docs.settings()
    variables = {setting["x-env"] for setting in known.values()} | NOT_SETTINGS
    for name, found in pods(rendered):
        for made in containers(found):
            mounts = {mount["mountPath"] for mount in made.get("volumeMounts", [])}
            for variable in made.get("env", []):
                if not variable["name"].startswith("VOTE__"):
                    continue
                if variable["name"] not in variables:
                    yield f"{name}: {variable['name']} is no setting: see {docs.SETTINGS.name}"
                if variable["name"].endswith("_FILE") and str(pathlib.PurePath(variable["value"]).parent) not in mounts:
                    yield f"{name}: {variable['name']} is {variable['value']}, but mounted are only {sorted(mounts)}"
    for service in SERVICES:
        mounts = {mount["mountPath"] for mount in pod(rendered, service)["spec"]["containers"][0]["volumeMounts"]}
        for section, keys in settings_of(rendered, service).items():
            for key, value in keys.items():
                if f"{section}.{key}" not in known:
                    yield f"{service}: {section}.{key} is no setting: see {docs.SETTINGS.name}"
                if key.endswith("_file") and str(pathlib.PurePath(value).parent) not in mounts:
                    yield f"{service}: {section}.{key} is {value}, but mounted are only {sorted(mounts)}"
        made = pod(rendered, service)["spec"]["containers"][0]
        own = {port["name"]: port["containerPort"] for port in made["ports"]}
        for section in ("http", "admin"):
            bind = settings_of(rendered, service)[section]["bind"]
            if int(bind.rsplit(":", 1)[1]) != own[section]:
                yield f"{service}: {section}.bind is {bind}, but the container's port is {own[section]}"


@breaks("minimal", "a variable that is no setting")
def _(rendered):
    pod(rendered, "ingest")["spec"]["containers"][0]["env"].append({"name": "VOTE__REDIS__ULR", "value": "x"})


@breaks("production", "a file that isn't mounted")
def _(rendered):
    mounts = pod(rendered, "results")["spec"]["containers"][0]["volumeMounts"]
    mounts.remove(next(mount for mount in mounts if mount["name"] == "broadcast"))


@breaks("observability", "a hook without the file of its password")
def _(rendered):
    rendered.of_kind("Job")[0]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].pop()


@breaks("minimal", "a setting that doesn't exist")
def _(rendered):
    settings_map = rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]
    settings_map["settings.yaml"] += "\nlog:\n  levle: info\n"


@rule("the termination grace fits the drain: grace_ms + 1.25 * drain_timeout_ms + 5 s, after a preStop")
def termination(rendered: Rendered) -> Iterator[str]:
    for service in SERVICES:
        spec = pod(rendered, service)["spec"]
        shutdown = settings_of(rendered, service)["shutdown"]
        sleep = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = sleep + math.ceil((shutdown["grace_ms"] + 1.25 * shutdown["drain_timeout_ms"] + 5000) / 1000)
        if spec["terminationGracePeriodSeconds"] != needed:
            given = spec["terminationGracePeriodSeconds"]
            yield f"{service}: terminationGracePeriodSeconds is {given}, must be {needed}"
        given = rendered.values.get(service, {}).get("preStopSleepSeconds", 0)
        if sleep != given:
            yield f"{service}: preStop sleeps {sleep} s, not the {given} s of the values"


@breaks("minimal", "a grace that is too short")
def _(rendered):
    pod(rendered, "ingest")["spec"]["terminationGracePeriodSeconds"] -= 1


@breaks("external-sentinel", "a preStop that the grace doesn't know")
def _(rendered):
    pod(rendered, "ingest")["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] += 1


@rule("while no pod of ingest is ready none of them is evicted: they may have the only copy of accepted votes")
def evictions(rendered: Rendered) -> Iterator[str]:
    # Kubernetes' default evicts a pod that isn't ready only where enough others are, and where none is, none.
    wanted = {"ingest": "IfHealthyBudget", "results": "AlwaysAllow"}
    for budget in rendered.of_kind("PodDisruptionBudget"):
        policy = budget["spec"].get("unhealthyPodEvictionPolicy", "IfHealthyBudget")
        if policy != wanted.get(component(budget), policy):
            yield f"{name_of(budget)}: unhealthyPodEvictionPolicy is {policy}"


@breaks("minimal", "a drain that evicts all pods of ingest during an outage of Redis")
def _(rendered):
    budget = rendered.named("PodDisruptionBudget", f"{rendered.prefix}-ingest")
    budget["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow"


@breaks("minimal", "a pod of results that never became ready, and holds up a drain")
def _(rendered):
    del rendered.named("PodDisruptionBudget", f"{rendered.prefix}-results")["spec"]["unhealthyPodEvictionPolicy"]


@rule("every pod and container is restricted, and says what it needs")
def restricted(rendered: Rendered) -> Iterator[str]:
    for name, found in pods(rendered):
        spec, context = found["spec"], found["spec"].get("securityContext", {})
        user = rendered.values.get("runAsUser", 65532)
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) != user:
            yield f"{name}: must have runAsNonRoot and the runAsUser {user}"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name}: seccompProfile must be RuntimeDefault"
        if spec.get("automountServiceAccountToken") is not False or spec.get("enableServiceLinks") is not False:
            yield f"{name}: automountServiceAccountToken and enableServiceLinks must be false"
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                yield f"{name}: {field} is not restricted"
        for volume in spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if not kinds <= {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim", "csi"}:
                yield f"{name}: the volume {volume['name']} is of a kind that is not restricted: {kinds}"
        for made in containers(found):
            yield from restricted_container(f"{name}: {made['name']}", made)


def restricted_container(name: str, made: dict) -> Iterator[str]:
    context = made.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: must have allowPrivilegeEscalation: false and readOnlyRootFilesystem: true"
    if context.get("capabilities") != {"drop": ["ALL"]} or context.get("privileged"):
        yield f"{name}: must drop ALL capabilities and add none"
    if "runAsUser" in context or "runAsNonRoot" in context:
        yield f"{name}: says again who it runs as: the pod does"
    if any("hostPort" in port for port in made.get("ports", [])):
        yield f"{name}: has a hostPort"
    resources = made.get("resources", {})
    if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
        yield f"{name}: must request cpu and memory, and limit memory"
    image = made["image"]
    if "@sha256:" not in image and (":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")):
        yield f"{name}: the image {image} has neither a tag nor a digest, or the tag latest"


@breaks("minimal", "a container as root")
def _(rendered):
    pod(rendered, "redis")["spec"]["securityContext"]["runAsUser"] = 0


@breaks("minimal", "a container that may write its root")
def _(rendered):
    pod(rendered, "ingest")["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = False


@breaks("observability", "an init container with a capability")
def _(rendered):
    pod(rendered, "redis")["spec"]["initContainers"][0]["securityContext"]["capabilities"]["add"] = ["NET_RAW"]


@breaks("minimal", "an image without a tag")
def _(rendered):
    pod(rendered, "results")["spec"]["containers"][0]["image"] = "host:5000/vote-results"


@rule("secrets come by file: they are in no argument, no variable and no ConfigMap")
def secrets(rendered: Rendered) -> Iterator[str]:
    with_password = re.compile(r"://[^/\s]*:[^/\s]*@")
    for name, found in pods(rendered):
        for made in containers(found):
            if with_password.search(" ".join(made.get("command", []) + made.get("args", []))):
                yield f"{name}: {made['name']} has a password in its arguments"
            for variable in made.get("env", []):
                # An address and a name: what a password is said with, and none.
                if variable["name"] in ("VOTE__REDIS__URL", "VOTE__REDIS__USERNAME"):
                    continue
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    yield f"{name}: {variable['name']} comes from a Secret: mount it and name the file"
                if with_password.search(variable.get("value", "")):
                    yield f"{name}: {variable['name']} has a password in plain"
    for found in rendered.of_kind("ConfigMap"):
        for key, text in found["data"].items():
            if re.search(r"^\s*(password|key|\w+_token): ?\S", text, flags=re.MULTILINE) or with_password.search(text):
                yield f"{name_of(found)}: {key} has a secret in plain"


@breaks("observability", "a password in an argument")
def _(rendered):
    rendered.of_kind("Job")[0]["spec"]["template"]["spec"]["containers"][0]["args"] += ["--redis", "redis://u:p@h"]


@breaks("minimal", "a password in a settings file")
def _(rendered):
    rendered.named("ConfigMap", f"{rendered.prefix}-ingest")["data"]["settings.yaml"] += "  password: hunter2\n"


@breaks("minimal", "a service with a password in its environment")
def _(rendered):
    source = {"secretKeyRef": {"name": f"{rendered.prefix}-redis-ingest", "key": "password"}}
    pod(rendered, "ingest")["spec"]["containers"][0]["env"].append({"name": "X", "valueFrom": source})


def passwords_of(rendered: Rendered, found: dict) -> set[str]:
    """Of which users of Redis a pod has the password."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())["redis"]["users"]
    given = rendered.values.get("redis", {}).get("users", {})
    users = {}
    for name, default in defaults.items():
        user = default | given.get(name, {})
        users[user["existingSecret"] or f"{rendered.prefix}-redis-{name}", user["key"]] = name
    volumes = found["spec"].get("volumes", [])
    sources = [source for volume in volumes for source in [volume, *volume.get("projected", {}).get("sources", [])]]
    mounted = [source["secret"] for source in sources if "secret" in source]
    keys = {
        (secret.get("secretName") or secret["name"], item["key"]) for secret in mounted for item in secret["items"]
    }
    return {users[key] for key in keys & users.keys()}


@rule("a pod has the password of its own user of Redis alone; Redis has all, and its container that of admin")
def own_password(rendered: Rendered) -> Iterator[str]:
    given = rendered.values.get("redis", {}).get("users", {})
    with_users = rendered.of_kind("StatefulSet") or any("existingSecret" in user for user in given.values())
    for name, found in pods(rendered):
        component = found["metadata"]["labels"]["app.kubernetes.io/component"]
        in_file = given.get(component, {}).get("passwordFile")
        wanted = {component} if with_users and not in_file else set()
        if component == "redis":
            wanted = {"ingest", "results", "votectl", "admin", "exporter"}
            mounts = [mount for mount in found["spec"]["containers"][0]["volumeMounts"] if mount["name"] == "passwords"]
            if [mount.get("subPath") for mount in mounts] != ["admin"]:
                yield f"{name}: the container of Redis must mount the password of admin, and no other: {mounts}"
        if (has := passwords_of(rendered, found)) != wanted:
            yield f"{name}: has the passwords of {sorted(has)}, not of {sorted(wanted)}"


@breaks("minimal", "a service with the password of admin")
def _(rendered):
    volumes = pod(rendered, "results")["spec"]["volumes"]
    next(found for found in volumes if found["name"] == "redis")["secret"]["secretName"] = "paredao-redis-admin"


@breaks("small-show", "a service with another key of the Secret of all")
def _(rendered):
    volumes = pod(rendered, "ingest")["spec"]["volumes"]
    next(found for found in volumes if found["name"] == "redis")["secret"]["items"][0]["key"] = "admin"


@breaks("minimal", "a Redis that sees all passwords")
def _(rendered):
    mounts = pod(rendered, "redis")["spec"]["containers"][0]["volumeMounts"]
    del next(mount for mount in mounts if mount["name"] == "passwords")["subPath"]


def url_from(rendered: Rendered, source: dict) -> Iterator[str]:
    """Every client takes its URL from this key of a Secret, and from nowhere else."""
    for service in SERVICES:
        if "url" in settings_of(rendered, service)["redis"]:
            yield f"{service}: has a redis.url beside the Secret's"
    for name, found in pods(rendered):
        variables = {one["name"]: one for one in found["spec"]["containers"][0].get("env", [])}
        if variables.get("VOTE__REDIS__URL", {}).get("valueFrom") != {"secretKeyRef": source}:
            yield f"{name}: does not take the URL of Redis from {source}"


@rule("Redis is embedded or external, never both, and settings and votectl come to the same one")
def one_redis(rendered: Rendered) -> Iterator[str]:
    given = rendered.values.get("redis", {}).get("external", {})
    external = given.get("url", "")
    secret, in_file = given.get("existingSecret", ""), given.get("urlFile", "")
    if bool(external or secret or in_file) == bool(rendered.of_kind("StatefulSet")):
        yield "there is a StatefulSet and an external URL, or neither"
    if secret:
        yield from url_from(rendered, {"name": secret, "key": given.get("urlKey", "url")})
    if secret or in_file:
        # That all read the same file is said by the rule of what is passed on.
        return
    wanted = external or f"redis://{rendered.prefix}-redis:6379"
    for service in SERVICES:
        url = settings_of(rendered, service)["redis"]["url"]
        embedded = rendered.of_kind("StatefulSet")
        host = url.split("://")[1].split(":")[0]
        if (embedded and not rendered.named("Service", host)) or url != wanted:
            yield f"{service}: redis.url is {url}, not {wanted}"
    for name, found in pods(rendered):
        for variable in (variable for made in containers(found) for variable in made.get("env", [])):
            if variable["name"] == "VOTE__REDIS__URL" and variable["value"] != wanted:
                yield f"{name}: VOTE__REDIS__URL is {variable['value']}, not {wanted}"


@breaks("minimal", "services that look for another Redis")
def _(rendered):
    found = rendered.named("ConfigMap", f"{rendered.prefix}-results")["data"]
    found["settings.yaml"] = found["settings.yaml"].replace("-redis:", "-valkey:")


@breaks("vault", "a service that doesn't know the Secret of the URL")
def _(rendered):
    pod(rendered, "results")["spec"]["containers"][0]["env"].pop()
    pod(rendered, "results")["spec"]["containers"][0]["env"].pop()


@breaks("production", "a StatefulSet beside an external Redis")
def _(rendered):
    rendered.resources.append(workload(rendered, "ingest") | {"kind": "StatefulSet"})


@rule("services, hook and test come to Redis and to its Sentinels in one way, but for the user")
def same_way(rendered: Rendered) -> Iterator[str]:
    own = {"username", "username_file", "password_file"}
    ways = {}
    for service in SERVICES:
        # What else is in the section is no matter of the way: pools and timeouts.
        section = settings_of(rendered, service)["redis"]
        ways[service] = {key: value for key, value in section.items() if key in WAY - own}
    for name, found in pods(rendered):
        for made in containers(found):
            given = {variable["name"]: variable.get("value", "") for variable in made.get("env", [])}
            if "VOTE__REDIS__URL" in given:
                # One from a Secret is a matter of the rule above.
                given = {key: value for key, value in given.items() if (key, value) != ("VOTE__REDIS__URL", "")}
                named = {key: given.get(f"VOTE__REDIS__{key.upper()}") for key in WAY - own}
                ways[f"{name}: {made['name']}"] = {key: value for key, value in named.items() if value is not None}
    for name, way in ways.items():
        if way != ways["ingest"]:
            yield f"{name}: comes to Redis by {way}, ingest by {ways['ingest']}"
    sentinel = rendered.values.get("redis", {}).get("external", {}).get("sentinel", {})
    if bool(sentinel.get("existingSecret")) != ("sentinel_password_file" in ways["ingest"]):
        yield f"the values name the Sentinels' password {sentinel}, but clients come by {ways['ingest']}"


@breaks("external-sentinel", "a test that the Sentinels don't know")
def _(rendered):
    made = rendered.named("Pod", f"{rendered.prefix}-votectl-test")["spec"]["containers"][0]
    made["env"] = [variable for variable in made["env"] if "SENTINEL" not in variable["name"]]


@breaks("external-cluster", "a service that trusts others")
def _(rendered):
    found = rendered.named("ConfigMap", f"{rendered.prefix}-results")["data"]
    found["settings.yaml"] = found["settings.yaml"].replace("tls_ca_file", "connect_timeout_ms")


@rule("pods are scraped in one way")
def scraped_once(rendered: Rendered) -> Iterator[str]:
    annotated = any("prometheus.io/scrape" in found["metadata"].get("annotations", {}) for _, found in pods(rendered))
    ways = [kind for kind in ("ServiceMonitor", "PodMonitor") if rendered.of_kind(kind)] + ["annotations"] * annotated
    if len(ways) > 1:
        yield f"pods are scraped by {' and by '.join(ways)}: everything would be counted twice"


@breaks("observability", "annotations beside a ServiceMonitor")
def _(rendered):
    pod(rendered, "ingest")["metadata"]["annotations"]["prometheus.io/scrape"] = "true"


@rule("every poll of the values has a file, and one container applies all, waiting for Redis within its deadline")
def polls(rendered: Rendered) -> Iterator[str]:
    jobs, wanted = rendered.of_kind("Job"), [poll["id"] for poll in rendered.values.get("polls", [])]
    if bool(jobs) != bool(wanted):
        yield f"{len(jobs)} Jobs for {len(wanted)} polls"
    for job in jobs:
        files = rendered.named("ConfigMap", f"{rendered.prefix}-votectl-polls")["data"]
        applied = [made["args"] for made in job["spec"]["template"]["spec"]["containers"]]
        patience = f"--wait-for-redis={job['spec']['activeDeadlineSeconds'] - 30}s"
        if applied != [["poll", "apply", *(f"/etc/paredao/polls/{poll}.yaml" for poll in wanted), patience]]:
            yield f"{name_of(job)}: applies {applied}, not {wanted} after {patience}"
        if not job["spec"].get("ttlSecondsAfterFinished"):
            yield f"{name_of(job)}: stays for ever"
        if {name: yaml.load(text, yaml.BaseLoader)["id"] for name, text in files.items()} != {
            f"{poll}.yaml": poll for poll in wanted
        }:
            yield f"ConfigMap/{rendered.prefix}-votectl-polls: its files are not the polls of the values"
        if "post-install" not in job["metadata"]["annotations"].get("helm.sh/hook", ""):
            yield f"{name_of(job)}: is no hook after the install"


@breaks("production", "a poll that is not applied")
def _(rendered):
    rendered.of_kind("Job")[0]["spec"]["template"]["spec"]["containers"][0]["args"].pop(2)


@breaks("observability", "a hook that gives up before Redis is there")
def _(rendered):
    rendered.of_kind("Job")[0]["spec"]["template"]["spec"]["containers"][0]["args"].pop()


@breaks("observability", "a hook that is never cleared away")
def _(rendered):
    del rendered.of_kind("Job")[0]["spec"]["ttlSecondsAfterFinished"]


@rule("what containers get is what the values say, init containers' too")
def resources(rendered: Rendered) -> Iterator[str]:
    given = rendered.values.get("redis", {}).get("embedded", {}).get("initResources", {})
    for name, found in pods(rendered):
        for made in found["spec"].get("initContainers", []):
            if made["name"] == "render-acl" and not given.items() <= made["resources"].items():
                yield f"{name}: {made['name']} gets {made['resources']}, not {given}"


@breaks("observability", "an init container that a LimitRange refuses")
def _(rendered):
    pod(rendered, "redis")["spec"]["initContainers"][0]["resources"] = {"requests": {"cpu": "10m"}}
