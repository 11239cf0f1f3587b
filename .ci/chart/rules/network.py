"""Who may talk to whom."""

import re
import urllib.parse
from collections.abc import Iterator

from chart.render import RELEASE, Rendered, containers, matches, name_of, pods

from . import SERVICES, breaks, component, pod, port_names, rule, selected

CLIENTS_OF_REDIS = {"ingest", "results", "votectl"}


def policies_are_on(rendered: Rendered) -> bool:
    return rendered.values.get("networkPolicy", {}).get("enabled", True)


@rule("every pod has a network policy, and policies name pods and ports that are there")
def policies(rendered: Rendered) -> Iterator[str]:
    found = rendered.of_kind("NetworkPolicy")
    if not policies_are_on(rendered):
        if found:
            yield f"{name_of(found[0])}: there although networkPolicy.enabled is false"
        return
    for name, one in pods(rendered):
        covering = [policy for policy in found if matches(policy["spec"]["podSelector"], one["metadata"]["labels"])]
        if [set(policy["spec"]["policyTypes"]) for policy in covering] != [{"Ingress", "Egress"}]:
            yield f"{name}: {len(covering)} network policies of ingress and egress apply to it, not one"
    for policy in found:
        targets = selected(rendered, policy["spec"]["podSelector"])
        if not targets:
            yield f"{name_of(policy)}: selects no pod"
        for part in policy["spec"].get("ingress", []):
            for port in part["ports"]:
                if any(port["port"] not in port_names(one) for _, one in targets if port_names(one)):
                    yield f"{name_of(policy)}: opens port {port['port']}, which its pods haven't"
        for peer in peers(policy):
            labels = peer.get("podSelector", {}).get("matchLabels", {})
            is_ours = labels.get("app.kubernetes.io/instance") == RELEASE and "namespaceSelector" not in peer
            if (
                is_ours
                and not selected(rendered, peer["podSelector"])
                and labels["app.kubernetes.io/component"] != "votectl"
            ):
                yield f"{name_of(policy)}: the peer {labels} is no pod of this release"


def peers(policy: dict) -> list[dict]:
    spec = policy["spec"]
    return [
        peer
        for part in spec.get("ingress", []) + spec.get("egress", [])
        for peer in part.get("from", []) + part.get("to", [])
    ]


@breaks("minimal", "a policy that selects nothing")
def _(rendered):
    policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-ingest")
    policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] = "injest"


@breaks("minimal", "a policy whose peer is nobody")
def _(rendered):
    policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-redis")
    policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] = "injest"


@breaks("observability", "a hook without a policy")
def _(rendered):
    rendered.resources.remove(rendered.named("NetworkPolicy", f"{rendered.prefix}-votectl"))


def port_of(url: str) -> set[int]:
    """The port of a service outside that is asked, where there is one."""
    at = urllib.parse.urlsplit(url)
    return {at.port or {"https": 443, "http": 80}[at.scheme]} if url else set()


@rule("ingest and results reach Redis, DNS and the collector alone; nobody else reaches the embedded Redis")
def reach(rendered: Rendered) -> Iterator[str]:
    if not policies_are_on(rendered):
        return
    dns = set(rendered.values.get("networkPolicy", {}).get("dnsPorts", [53]))
    redis = redis_ports(rendered)
    endpoint = rendered.values.get("tracing", {}).get("endpoint", "")
    collector = {int(endpoint.rstrip("/").rsplit(":", 1)[1])} if endpoint else set()
    for name in SERVICES:
        policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-{name}")
        open_ports = {
            port["port"] for part in policy["spec"]["egress"] for port in part.get("ports", [{"port": "any"}])
        }
        settings = rendered.values.get(name, {}).get("settings", {})
        asked = port_of(settings.get("voters", {}).get("jwks_url", "")) | port_of(settings.get("judge", {}).get("url", ""))
        extra = rendered.values.get(name, {}).get("networkPolicy", {}).get("extraEgress", [])
        wanted = dns | redis | collector | asked | {port["port"] for part in extra for port in part["ports"]}
        if open_ports != wanted:
            yield f"{name_of(policy)}: opens the ports {open_ports}, not those of DNS, Redis, collector, voters' keys and judge: {wanted}"
        for part in policy["spec"]["egress"]:
            is_dns = {port["port"] for port in part.get("ports", [])} == dns
            if "to" not in part and (is_dns or rendered.of_kind("StatefulSet")):
                yield f"{name_of(policy)}: egress to {part.get('ports')} without a peer is egress to the world"
    policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-redis")
    if bool(policy) != bool(rendered.of_kind("StatefulSet")):
        yield f"NetworkPolicy/{rendered.prefix}-redis: must be there with the embedded Redis, and only with it"
    if policy:
        if policy["spec"].get("egress"):
            yield f"{name_of(policy)}: Redis needs to reach nobody"
        extra = rendered.values.get("redis", {}).get("embedded", {}).get("networkPolicyFrom", [])
        ours = [peer for peer in peers(policy) if peer not in extra]
        found = {
            peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component", "anybody")
            for peer in ours
        }
        if found != CLIENTS_OF_REDIS or any("from" not in part for part in policy["spec"]["ingress"]):
            yield f"{name_of(policy)}: lets in {sorted(found)}, not just {sorted(CLIENTS_OF_REDIS)}"


def redis_ports(rendered: Rendered) -> set[int]:
    external = rendered.values.get("redis", {}).get("external", {})
    url = external.get("url", "")
    if not url:
        return set(external.get("extraPorts", [])) or {6379}
    hosts = url.split("://")[1].split("/")[0].split(",")
    found = {int(port) for port in re.findall(r":(\d+)$", "\n".join(hosts), flags=re.MULTILINE)}
    return found | set(external.get("extraPorts", [])) | ({6379} if "sentinel" in url else set())


@breaks("minimal", "ingest that reaches a web server")
def _(rendered):
    rendered.named("NetworkPolicy", f"{rendered.prefix}-ingest")["spec"]["egress"].append({"ports": [{"port": 443}]})


@breaks("minimal", "a Redis that everybody reaches")
def _(rendered):
    del rendered.named("NetworkPolicy", f"{rendered.prefix}-redis")["spec"]["ingress"][0]["from"]


@breaks("minimal", "a Redis that one more reaches")
def _(rendered):
    rendered.named("NetworkPolicy", f"{rendered.prefix}-redis")["spec"]["ingress"][0]["from"].append(
        {"namespaceSelector": {}}
    )


@rule("admin ports are open to whom the values name, and to nobody else")
def admin(rendered: Rendered) -> Iterator[str]:
    named = rendered.values.get("metrics", {}).get("networkPolicyFrom", [])
    for name in SERVICES:
        policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-{name}")
        for part in policy["spec"]["ingress"] if policy else []:
            is_admin = any(port["port"] != "http" for port in part.get("ports", [{"port": "any"}]))
            if is_admin and (not named or part.get("from") != named):
                yield f"{name_of(policy)}: lets {part.get('from', 'everybody')} come to {part.get('ports')}, not {named}"


@breaks("minimal", "an admin port that every pod reaches")
def _(rendered):
    opened = {"ports": [{"port": "admin", "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}
    rendered.named("NetworkPolicy", f"{rendered.prefix}-ingest")["spec"]["ingress"].append(opened)


@rule("DNS is reached as pods, by NodeLocal DNSCache and at the address of clouds, unless the values say otherwise")
def dns(rendered: Rendered) -> Iterator[str]:
    named = rendered.values.get("networkPolicy", {}).get("dnsTo")
    for policy in rendered.of_kind("NetworkPolicy"):
        for part in policy["spec"].get("egress", []):
            if {port["protocol"] for port in part.get("ports", []) if "protocol" in port} != {"TCP", "UDP"}:
                continue
            blocks = {peer["ipBlock"]["cidr"] for peer in part["to"] if "ipBlock" in peer}
            if named is None and not blocks >= {"169.254.20.10/32", "169.254.169.254/32"}:
                yield f"{name_of(policy)}: reaches DNS at {sorted(blocks)} alone"
            if named is not None and part["to"] != named:
                yield f"{name_of(policy)}: reaches DNS at {part['to']}, not at {named}"


@breaks("minimal", "a policy that NodeLocal DNSCache is not in")
def _(rendered):
    egress = rendered.named("NetworkPolicy", f"{rendered.prefix}-ingest")["spec"]["egress"]
    egress[0]["to"] = egress[0]["to"][:1]


@rule("no policy has an empty list, which Kubernetes leaves out: it would be another one at each upgrade")
def no_empty_lists(rendered: Rendered) -> Iterator[str]:
    for policy in rendered.of_kind("NetworkPolicy"):
        for field, value in policy["spec"].items():
            if value == []:
                yield f"{name_of(policy)}: {field} is an empty list: leave it out, policyTypes names it"


@breaks("minimal", "an egress to nowhere as a list")
def _(rendered):
    rendered.named("NetworkPolicy", f"{rendered.prefix}-redis")["spec"]["egress"] = []


@rule("`helm test` votes and reads by both Services, and policies let it")
def tested(rendered: Rendered) -> Iterator[str]:
    found = rendered.named("Pod", f"{rendered.prefix}-votectl-test")
    if bool(found) != rendered.values.get("tests", {}).get("enabled", True):
        yield "the pod of the test must be there where tests are enabled, and only there"
    if not found:
        return
    arguments = containers(found)[0]["args"]
    given = dict(zip(arguments, arguments[1:], strict=False))
    for name in SERVICES:
        url = re.fullmatch(r"http://([\w-]+):(\d+)", given.get(f"--{name}", ""))
        service = url and rendered.named("Service", url[1])
        if not service or int(url[2]) not in {port["port"] for port in service["spec"]["ports"]}:
            yield f"{name_of(found)}: --{name} {given.get(f'--{name}')} is no Service with that port"
        elif {component(one) for _, one in selected(rendered, {"matchLabels": service["spec"]["selector"]})} != {name}:
            yield f"{name_of(found)}: --{name} leads to {name_of(service)}, which is not that of {name}"
    if not policies_are_on(rendered):
        return
    own = rendered.named("NetworkPolicy", f"{rendered.prefix}-votectl")
    for name in SERVICES:
        labels = pod(rendered, name)["metadata"]["labels"]
        if not any(matches(peer["podSelector"], labels) for peer in peers(own) if set(peer) == {"podSelector"}):
            yield f"{name_of(own)}: the test doesn't reach {name}"
        policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-{name}")
        (http,) = (part for part in policy["spec"]["ingress"] if {"port": "http", "protocol": "TCP"} in part["ports"])
        sources = [peer["podSelector"] for peer in http.get("from", []) if set(peer) == {"podSelector"}]
        if "from" in http and not any(matches(source, found["metadata"]["labels"]) for source in sources):
            yield f"{name_of(policy)}: the test is not let in"


@breaks("minimal", "a test of another port")
def _(rendered):
    arguments = rendered.named("Pod", f"{rendered.prefix}-votectl-test")["spec"]["containers"][0]["args"]
    arguments[arguments.index("--results") + 1] += "81"


@breaks("minimal", "a test of ingest in place of results")
def _(rendered):
    arguments = rendered.named("Pod", f"{rendered.prefix}-votectl-test")["spec"]["containers"][0]["args"]
    arguments[arguments.index("--results") + 1] = arguments[arguments.index("--ingest") + 1]


@breaks("minimal", "a test that may not read")
def _(rendered):
    rendered.named("NetworkPolicy", f"{rendered.prefix}-votectl")["spec"]["egress"].pop()


@breaks("production", "an ingest that the test may not ask")
def _(rendered):
    spec = rendered.named("NetworkPolicy", f"{rendered.prefix}-ingest")["spec"]
    spec["ingress"][0]["from"].pop()


@breaks("small-show", "a test that nobody wants")
def _(rendered):
    rendered.values["tests"]["enabled"] = True
