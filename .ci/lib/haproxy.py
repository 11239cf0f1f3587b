"""Compose's proxy on this machine: its configuration as it is deployed, at other addresses."""

import re

from lib import ROOT

FOLDER = ROOT / "deploy/compose/haproxy"


def configuration(public: int, admin: int, servers: dict[str, list[int]] | None = None) -> str:
    """With these ports; and for the backends that are named with servers on these ports, not those of Docker's names."""
    text = (FOLDER / "haproxy.cfg").read_text()
    for there, here in {
        "bind :8080": f"bind 127.0.0.1:{public}",
        "bind :8404": f"bind 127.0.0.1:{admin}",
        "/usr/local/etc/haproxy/errors": str(FOLDER / "errors"),
    }.items():
        assert there in text, f"haproxy.cfg has no {there}"
        text = text.replace(there, here)
    if servers:
        text = re.sub(r"^resolvers .*?\n\n", "", text, flags=re.M | re.S)
        text = text.replace(" resolvers docker resolve-prefer ipv4 init-addr none", "")
    for name, ports in (servers or {}).items():
        lines = "\n".join(f"    server {name}-{port} 127.0.0.1:{port}" for port in ports)
        text, found = re.subn(rf"^    server-template {name}-.*$", lines, text, flags=re.M)
        assert found == 1, f"haproxy.cfg has no servers of {name}"
    return text
