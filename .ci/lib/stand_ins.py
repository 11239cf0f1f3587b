"""Images for an engine that can't pull any: made from Debian's packages and this machine's Rust."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from lib.bases import BUILDER, CACHE, PROXY, REDIS, RUNTIME
from lib.report import Skipped

STAND_IN = "paredao.stand-in"


def stand_in(docker, image: str) -> None:
    if image not in STAND_INS:
        raise Skipped(f"{image} can't be pulled, and nothing here can stand in for it")
    make, *changes = STAND_INS[image]
    with tempfile.TemporaryDirectory(prefix="stand-in-", dir=CACHE) as folder:
        root = pathlib.Path(folder) / "root"
        make(root)
        options = [word for change in (*changes, f"LABEL {STAND_IN}=true") for word in ("--change", change)]
        tar = subprocess.Popen(["tar", "--create", "--directory", str(root), "."], stdout=subprocess.PIPE)
        docker.run("import", *options, "-", image, stdin=tar.stdout, limit_s=300)
        tar.wait()


def debian(root: pathlib.Path, *packages: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise Skipped("a stand-in needs mmdebstrap")
    done = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
            "bookworm", str(root),
        ],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode != 0:
        raise Skipped(f"mmdebstrap can't make a stand-in: {done.stderr.strip()[-500:]}")


def redis(root: pathlib.Path) -> None:
    debian(root, "redis-server")
    data = root / "data"
    data.mkdir()
    os.chown(data, 999, 1000)


def proxy(root: pathlib.Path) -> None:
    debian(root, "haproxy", "busybox")
    # Alpine's, for the health check.
    (root / "usr/bin/wget").symlink_to("busybox")


def runtime(root: pathlib.Path) -> None:
    """As Alpine is: busybox, two files of users, the authorities' certificates."""
    binaries = root / "bin"
    binaries.mkdir(parents=True)
    unpack("busybox-static", root.parent / "busybox")
    shutil.copy2(root.parent / "busybox/bin/busybox", binaries)
    for applet in subprocess.run([binaries / "busybox", "--list"], capture_output=True, text=True).stdout.split():
        link = binaries / applet
        if not link.exists():
            link.symlink_to("busybox")
    etc = root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\n")
    with_authorities(root)
    (root / "tmp").mkdir(mode=0o1777)


def builder(root: pathlib.Path) -> None:
    """This machine's Rust and the crates that it has, on Debian's C compiler."""
    debian(root, "ca-certificates", "gcc", "libc6-dev", "pkg-config")
    with_authorities(root)
    done = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped("a stand-in for the builder needs rustc on this machine")
    sysroot = pathlib.Path(done.stdout.strip())
    toolchain = root / "usr/local/rust"
    ignore = shutil.ignore_patterns("src", "*-unknown-linux-musl", "wasm32-*")
    for part in ("bin", "lib", "libexec"):
        if (sysroot / part).is_dir():
            shutil.copytree(sysroot / part, toolchain / part, symlinks=True, ignore=ignore)
    cargo = root / "usr/local/cargo"
    (cargo / "bin").mkdir(parents=True)
    for command in ("cargo", "rustc"):
        (cargo / "bin" / command).symlink_to(f"/usr/local/rust/bin/{command}")
    home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
    for part in ("cache", "index"):
        if (home / "registry" / part).is_dir():
            shutil.copytree(home / "registry" / part, cargo / "registry" / part)
    if (home / "config.toml").is_file():
        shutil.copy2(home / "config.toml", cargo)


def with_authorities(root: pathlib.Path) -> None:
    """Those that this machine trusts: its network may have one of its own."""
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    target = root / "etc/ssl/certs/ca-certificates.crt"
    target.parent.mkdir(parents=True, exist_ok=True)
    if bundle.is_file():
        shutil.copy2(bundle, target)


def unpack(package: str, folder: pathlib.Path) -> None:
    folder.mkdir()
    download = subprocess.run(["apt-get", "-qq", "download", package], cwd=folder, capture_output=True, text=True)
    files = list(folder.glob("*.deb"))
    if download.returncode != 0 or not files:
        raise Skipped(f"a stand-in needs Debian's {package}: {download.stderr.strip()[-300:]}")
    subprocess.run(["dpkg-deb", "--extract", files[0], folder], check=True, capture_output=True)


# How each is made, and what its image says beside.
STAND_INS = {
    RUNTIME: (runtime, 'CMD ["/bin/sh"]'),
    BUILDER: (builder, "ENV CARGO_HOME=/usr/local/cargo", "ENV PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    REDIS: (redis, "WORKDIR /data"),
    PROXY: (proxy,),
}
