"""The rules of the house that a machine can check: include direction, vendor headers, sizes, READMEs, words that must not appear."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
LINES_MAX = 500
README_LINES_MAX = 10

# Bottom to top; folders of one row do not include one another.
LAYERS = [
    {"base"},
    {"model", "net", "sql"},
    {"schema"},
    {"storage", "archives", "formats", "parquet", "ledger"},
    {"iceberg"},
    {"pipeline"},
    {"config", "api"},
    {"service", "cli"},
]
LEVEL = {folder: level for level, row in enumerate(LAYERS) for folder in row}
FROM_SCHEMA_UP = {folder for folder, level in LEVEL.items() if level >= LEVEL["schema"]} | {"main"}
ANYWHERE = set(LEVEL) | {"main"}

# Outside headers by their beginning, and the folders that may include them. A header that is not here is a new dependency: name it.
VENDORS = {
    "CLI/": {"cli"},
    "archive.h": {"archives"},
    "archive_entry.h": {"archives"},
    "arrow/": FROM_SCHEMA_UP,
    "bzlib.h": {"formats"},
    "curl/": {"net"},
    "date/": {"base", "schema", "formats"},
    "httplib.h": {"service"},
    "fast_float/": {"formats", "schema"},
    "fmt/": ANYWHERE,
    "gmock/": ANYWHERE,
    "gtest/": ANYWHERE,
    "libdeflate.h": {"formats", "iceberg"},
    "libpq-fe.h": {"sql"},
    "lz4frame.h": {"formats"},
    "lzma.h": {"archives", "formats"},
    "nlohmann/": ANYWHERE - {"base", "sql"},
    "openssl/": {"net", "config"},
    "parquet/": {"parquet", "formats"},  # one writes such files, the other reads them; neither includes the other
    "pcre2.h": {"formats"},
    "pugixml.hpp": {"net", "storage"},
    "simdjson.h": {"formats"},
    "spdlog/": {"base"},
    "sqlite3.h": {"sql"},
    "xxhash.h": {"archives", "base", "formats", "pipeline"},
    "yaml-cpp/": {"config", "schema"},
    "zlib.h": {"archives", "formats", "iceberg"},
    "zstd": {"formats"},
}
POSIX = {
    "arpa/inet.h", "dirent.h", "fcntl.h", "locale.h", "netdb.h", "netinet/in.h", "netinet/tcp.h", "poll.h", "pthread.h", "pwd.h", "sched.h", "signal.h",
    "sys/epoll.h", "sys/eventfd.h", "sys/file.h", "sys/ioctl.h", "sys/mman.h", "sys/prctl.h", "sys/random.h", "sys/resource.h", "sys/socket.h", "sys/stat.h",
    "sys/statvfs.h", "sys/syscall.h", "sys/time.h", "sys/types.h", "sys/uio.h", "sys/wait.h", "unistd.h", "emmintrin.h", "immintrin.h",
}  # fmt: skip
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


@cache
def tracked_files():
    """Every file of the tree that is not ignored."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in out.decode().split("\0") if name and (ROOT / name).is_file()]


@cache
def sources():
    return [path for path in tracked_files() if path.suffix in {".cc", ".h"}]


@cache
def text_of(path):
    return path.read_text(errors="replace")


def folder_of(path):
    """The layer of a file below src; src/main.cc is "main"."""
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else "main"


def includes(path):
    for match in INCLUDE.finditer(text_of(path)):
        yield match.group(1), match.group(2)


def allowed(includer, included):
    if includer in ("main", included):
        return True
    return LEVEL[included] < LEVEL[includer]


# Prevents an arrow that points up or sideways: then no folder can be understood, tested or replaced without its callers.
def test_includes_point_down():
    wrong = []
    for path in sources():
        if SOURCE not in path.parents:
            continue
        folder = folder_of(path)
        if folder != "main" and folder not in LEVEL:
            wrong.append(f"{path.relative_to(ROOT)}: folder {folder} is not in LAYERS")
            continue
        for ours, _ in includes(path):
            if ours is None:
                continue
            target = ours.split("/")[0]
            if "/" not in ours or target not in LEVEL:
                wrong.append(f'{path.relative_to(ROOT)}: "{ours}" is not written from the root of src')
            elif not (SOURCE / ours).is_file():
                wrong.append(f'{path.relative_to(ROOT)}: "{ours}" does not exist')
            elif not allowed(folder, target):
                wrong.append(f'{path.relative_to(ROOT)}: {folder} must not include "{ours}"')
    assert not wrong, "\n".join(wrong)


# Prevents a CMake link that the includes do not need or that points up: it would let the next include through.
def test_libraries_link_down():
    wrong = []
    for path in sorted(SOURCE.glob("*/CMakeLists.txt")):
        match = re.search(r"DEPENDS\s+((?:[a-z0-9_]+\s*)+)", text_of(path))
        for target in match.group(1).split() if match else []:
            if not allowed(path.parent.name, target):
                wrong.append(f"{path.relative_to(ROOT)}: {path.parent.name} must not depend on {target}")
    assert not wrong, "\n".join(wrong)


# Prevents two types of one name: each file compiles, the linker keeps the functions of one of them, and the program crashes somewhere else.
def test_every_type_has_a_name_of_its_own():
    homes = {}
    for path in sources():
        if SOURCE in path.parents and path.suffix == ".h":
            for name in re.findall(r"^(?:struct|class|enum class) (\w+)(?: final)?(?: :[^;{]*)? ?\{", text_of(path), re.MULTILINE):
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    doubled = {name: places for name, places in homes.items() if len(places) > 1}
    assert homes and not doubled, doubled


# Prevents a vendor's types from leaking out of the folder that adapts them, and new dependencies that nobody decided on.
def test_vendor_headers_stay_in_their_folder():
    wrong = []
    for path in sources():
        if SOURCE not in path.parents:
            continue
        folder = folder_of(path)
        for _, outside in includes(path):
            if outside is None or outside in POSIX or re.fullmatch(r"c?[a-z_]+", outside) or outside == "cxxabi.h":
                continue
            homes = next((homes for prefix, homes in VENDORS.items() if outside.startswith(prefix)), None)
            if homes is None:
                wrong.append(f"{path.relative_to(ROOT)}: <{outside}> is in no list of this test")
            elif folder not in homes:
                wrong.append(f"{path.relative_to(ROOT)}: <{outside}> belongs in {', '.join(sorted(homes))}, not in {folder}")
    assert not wrong, "\n".join(wrong)


# Prevents files that nobody reads to the end.
def test_files_are_short():
    long = []
    for path in tracked_files():
        if path.suffix in {".cc", ".h", ".py"} or path.parent == ROOT / "scripts" and not path.suffix:
            lines = text_of(path).count("\n")
            if lines > LINES_MAX:
                long.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {LINES_MAX}")
    assert not long, "\n".join(long)


# Prevents folders whose purpose must be guessed, and READMEs that grow into documentation.
def test_every_folder_says_why_it_exists():
    folders = {path.parent for path in sources() if path.parent.parent == SOURCE} | {ROOT / name for name in ("bench", "scripts", "tests")}
    wrong = []
    for folder in sorted(folders):
        readme = folder / "README.md"
        if not readme.is_file():
            wrong.append(f"{folder.relative_to(ROOT)}: no README.md")
        elif len(text_of(readme).splitlines()) > README_LINES_MAX:
            wrong.append(f"{readme.relative_to(ROOT)}: more than {README_LINES_MAX} lines")
    assert not wrong, "\n".join(wrong)


# Prevents names that say nothing and then collect everything.
def test_no_file_is_named_after_nothing():
    empty_words = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc)(_|$)")
    wrong = [str(path.relative_to(ROOT)) for path in tracked_files() if any(empty_words.search(part) for part in (path.stem, *path.parts[len(ROOT.parts):-1]))]
    assert not wrong, "\n".join(wrong)


FORBIDDEN = {
    "an unfinished thought": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"),
    "a path of one machine": re.compile(r"(?<![\w.])/(work|root|home/\w+|Users/\w+)/"),
    "a registry's host": re.compile(r"pypi\.org|pythonhosted\.org|maven\.org|maven\.apache\.org|registry\.npmjs|deb\.debian\.org|proxy\.golang"),
    "an exception across borders in disguise": re.compile(r"\bcatch\s*\(\.\.\.\)\s*\{\s*\}"),
}


# Prevents leftovers: unfinished thoughts, paths and hosts that exist on one machine only.
@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_forbidden_in_the_tree(what):
    wrong = []
    for path in tracked_files():
        if path == Path(__file__) or path.suffix in {".gz", ".zst", ".avro", ".parquet", ".png"} or "fuzz" in path.parts:
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if FORBIDDEN[what].search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not wrong, "\n".join(wrong)


# Prevents tests of which nobody knows any more what they protect.
def test_every_test_names_its_bug():
    cpp = re.compile(r"^(TYPED_)?TEST(_[FP])?\(")
    wrong = []
    for path in tracked_files():
        if path.suffix == ".cc" and path.stem.endswith("_test"):
            starts, comment = cpp, "//"
        elif path.suffix == ".py" and path.name.startswith("test_"):
            starts, comment = re.compile(r"^def test_"), "#"
        else:
            continue
        lines = text_of(path).splitlines()
        for number, line in enumerate(lines):
            if not starts.match(line):
                continue
            above = number - 1
            while above >= 0 and lines[above].startswith(("@", " ", ")")):
                above -= 1
            below = lines[number + 1].strip() if number + 1 < len(lines) else ""
            if not (lines[above].startswith(comment) or below.startswith((comment, '"""'))):
                wrong.append(f"{path.relative_to(ROOT)}:{number + 1}: {line.strip()[:100]}")
    assert not wrong, "no comment that names the bug:\n" + "\n".join(wrong)
