"""Who may talk to whom."""

import re
from collections.abc import Iterator

from chart_render import RELEASE, Rendered, matches, name_of, pods

from . import SERVICES, breaks, port_names, rule, selected

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
        wanted = dns | redis | collector
        if open_ports != wanted:
            yield f"{name_of(policy)}: opens the ports {open_ports}, not those of DNS, Redis and collector: {wanted}"
        for part in policy["spec"]["egress"]:
            is_dns = {port["port"] for port in part.get("ports", [])} == dns
            if "to" not in part and (is_dns or rendered.of_kind("StatefulSet")):
                yield f"{name_of(policy)}: egress to {part.get('ports')} without a peer is egress to the world"
    policy = rendered.named("NetworkPolicy", f"{rendered.prefix}-redis")
    if bool(policy) != bool(rendered.of_kind("StatefulSet")):
        yield f"NetworkPolicy/{rendered.prefix}-redis: must be there with the embedded Redis, and only with it"
    if policy:
        if policy["spec"]["egress"]:
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
        return {6379}
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
