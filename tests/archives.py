"""Makes archives for tests: zip, tar in every compression, 7z."""

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from functools import partial

import pyarrow as pa
import zstandard


def lz4(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


COMPRESSIONS = {
    "tar": bytes,
    "tar.gz": partial(gzip.compress, compresslevel=6),  # at 9, the default, packing takes much longer
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": zstandard.compress,
    "tar.lz4": lz4,
}
KINDS = ["zip", *COMPRESSIONS, "7z"]


def zip_of(members, method=zipfile.ZIP_DEFLATED):
    """{name: bytes}, or a list of pairs where a name comes twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in pairs(members):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), content, method)
    return out.getvalue()


def tar_of(members, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, content in pairs(members):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def seven_zip_of(members, folder, compression="lzma1"):
    """By libarchive's bsdtar; `folder` is for its input. Of much, "deflate" is packed twenty times as fast."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pairs(members):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    names = [name for name, _ in pairs(members)]
    how = ["--format", "7zip", "--options", f"7zip:compression={compression}"]
    made = subprocess.run(["bsdtar", "-cf", "-", "-b", "1", *how, *names], cwd=folder, capture_output=True, check=True)
    return made.stdout


def archive_of(kind, members, folder):
    if kind == "zip":
        return zip_of(members)
    if kind == "7z":
        return seven_zip_of(members, folder)
    return COMPRESSIONS[kind](tar_of(members))


def pairs(members):
    return list(members.items()) if isinstance(members, dict) else list(members)
