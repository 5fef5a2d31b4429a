"""The documents do what they say: every command block of README.md and docs/guide runs, in order, in one scratch folder per page.

```sh        runs with bash, `sluice` and the project's Python on the PATH; `sh exit=3` says another exit code than 0
```python    runs with the project's Python
```yaml file=NAME, ```json file=NAME ...   writes the block to that file; without `file=` a block is only shown
Anything else (text, sql, ini) is shown and not run.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
S3_PAGE, POSTGRES_PAGE = ROOT / "docs/guide/s3.md", ROOT / "docs/guide/postgresql.md"
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs/guide").glob("*.md")) - {S3_PAGE, POSTGRES_PAGE})]
TIMEOUT_S = 120
RULES = ["Discover", "Claim", "Target", "Stage", "Prepare", "Publish", "Confirm", "Mark", *"MPTUWRFNSJ"]
RULE_SUITES = r"(Rule\w|Discover|Target|Stage|Publish|Mark|OnChange|Objects)\."
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    page: Path
    line: int
    language: str
    options: dict
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page):
    text = page.read_text()
    for match in FENCE.finditer(text):
        options = dict(word.split("=", 1) for word in match.group(2).split())
        yield Block(page, text.count("\n", 0, match.start()) + 1, match.group(1), options, match.group(3))


def run_block(block, folder, environment):
    if "file" in block.options:
        (folder / block.options["file"]).write_text(block.text)
        return
    commands = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    if block.language not in commands:
        return
    done = subprocess.run(
        [*commands[block.language], block.text],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    wanted = int(block.options.get("exit", 0))
    assert done.returncode == wanted, f"{block}: exit code {done.returncode}, the page says {wanted}\n{block.text}---\n{done.stdout[-4000:]}"


# Prevents documents whose commands were true once: a flag that is gone, an exit code that changed, a query that finds nothing.
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_the_page(program, tmp_path, page):
    run_page(program, tmp_path, page, {})


# Prevents a page on S3 that was tried by hand once, on another server.
def test_commands_of_the_page_on_s3(program, tmp_path, s3_server):
    for bucket in ("landing", "lake"):
        s3_server.make_bucket(bucket)
    run_page(program, tmp_path, S3_PAGE, {**s3_server.environment, "AWS_ENDPOINT_URL": s3_server.endpoint})


# Prevents a page on PostgreSQL whose commands nobody ever typed: a URI that psql takes and we do not, a query over a table that is gone.
def test_commands_of_the_page_on_postgresql(program, tmp_path, postgres_server):
    account = {"PGUSER": postgres_server.user, "PGPASSWORD": postgres_server.password}
    run_page(program, tmp_path, POSTGRES_PAGE, {"PGHOST": postgres_server.host, "PGPORT": str(postgres_server.port), **account})


def run_page(program, tmp_path, page, more_environment):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sluice").symlink_to(program)
    folder = tmp_path / "work"
    folder.mkdir()
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", "TZ": "UTC", **more_environment}
    for block in blocks_of(page):
        run_block(block, folder, environment)


# Prevents a demo that shows something else than it says: files loaded twice, an added one left out, rows that no engine reads.
def test_the_demo_shows_what_it_says(program):
    done = subprocess.run([ROOT / "scripts/demo"], env={**os.environ, "SLUICE_BINARY": str(program)}, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    first, again, later, table, rows = done.stdout.split("# ")[1:]
    assert "4 file(s), 46 rows" in first and "Skipped 4 already-processed file(s)" in again and "No new data" in again
    assert "Skipped 4 already-processed" in later and "1 file(s), 8 rows" in later and "add column weather" in later
    assert "bikes.events  54 rows" in table
    by_file = dict(re.findall(r"(2026-03-0\d\.\w+) +│ +(\d+) │", rows))
    assert by_file == {"2026-03-01.json": "12", "2026-03-02.json": "12", "2026-03-03.json": "12", "2026-03-04.csv": "10", "2026-03-05.json": "8"}


# Prevents links that lead nowhere after a page or a file was renamed.
def test_links_lead_somewhere():
    broken = []
    for page in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


COMMANDS = [
    "", "load", "run", "retry", "approve", "forget", "status", "files", "runs", "run-info", "table", "check", "verify", "restore", "rebuild", "serve",
    "token", "token create", "token list", "token revoke",
]  # fmt: skip


# Prevents a command that is missing from the list above, whose flags nobody compares.
def test_every_command_is_compared(program):
    def commands_of(*command):
        shown = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True).stdout
        part = re.search(r"^(?:SUB)?COMMANDS:(.*)", shown, re.MULTILINE | re.DOTALL | re.IGNORECASE)
        names = re.findall(r"^  ([a-z][a-z-]*)", part.group(1), re.MULTILINE) if part else []
        return [name for one in names for name in [" ".join((*command, one)), *commands_of(*command, one)]]

    assert sorted(commands_of()) == sorted(COMMANDS[1:])


# Prevents a command or a flag that the reference does not mention.
@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_knows_every_flag(program, command):
    shown = subprocess.run([program, *command.split(), "--help"], capture_output=True, text=True, check=True).stdout
    reference = (ROOT / "docs/reference/cli.md").read_text()
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    missing = sorted(flag for flag in flags if not re.search(re.escape(flag) + r"(?![\w-])", reference))
    assert not missing, f"sluice {command}: docs/reference/cli.md does not mention {', '.join(missing)}"
    assert f"sluice {command}".strip() in reference


# Prevents an error_type that a user sees and cannot look up.
def test_the_reference_knows_every_error_type():
    names = re.findall(r'inline constexpr std::string_view k\w+ = "(\w+)";', (ROOT / "src/model/file.h").read_text())
    reference = (ROOT / "docs/reference/errors.md").read_text()
    assert names and not [name for name in names if f"`{name}`" not in reference]


# Prevents a message in the troubleshooting page that the program says in other words, so that nobody finds it.
def test_troubleshooting_quotes_the_program():
    sources = (path.read_text() for path in sorted((ROOT / "src").rglob("*.cc")) if not path.stem.endswith("_test"))
    said = re.sub(r'"\s*\n\s*"', "", "\n".join(sources)).replace('\\"', '"')
    said = re.sub(r"\{[^{}\s]*\}", "{}", said)
    wrong = []
    for first_cell in re.findall(r"^\| (`.*?) \|", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE):
        for quoted in re.findall(r"`([^`]+)`", first_cell):
            parts = re.split(r"\.\.\.|\b[NMB]\b|\d+", quoted)
            wrong += [f"{quoted}: {part.strip()!r}" for part in parts if len(part.strip()) > 4 and part.strip() not in said]
    assert not wrong, "\n".join(wrong)


# Prevents rules whose test was renamed or removed, rules and steps without a test, and tests of rules that the protocol's page does not know.
def test_the_protocol_page_names_every_rule_test():
    page = (ROOT / "docs/reference/protocol.md").read_text()
    named = set(re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", page))

    def tests_in(folder, pattern):
        found = (re.findall(r"^TEST(?:_P)?\((\w+), (\w+)\)", path.read_text(), re.MULTILINE) for path in sorted((ROOT / folder).glob(pattern)))
        return {".".join(pair) for pairs in found for pair in pairs}

    of_rules = {test for test in tests_in("tests/protocol", "*_test.cc") if re.match(RULE_SUITES, test)}
    assert of_rules <= named, of_rules - named
    assert named <= of_rules | tests_in("src/ledger", "ledger_conformance_*_test.cc")
    shown_by = {first: rest.split("|")[1] for first, rest in re.findall(r"^\| ([\w ]+) \|(.*)\|$", page.split("\n## ")[0], re.MULTILINE)}
    assert set(RULES) <= set(shown_by), set(RULES) - set(shown_by)
    for rule, shown in shown_by.items():
        files = re.findall(r"`((?:tests|src)/\S+\.(?:cc|py))`", shown)
        assert rule == "step or rule" or named & set(re.findall(r"`(\S+)`", shown)) or files, f"{rule} has no test"
        assert not [file for file in files if not (ROOT / file).exists()], files
