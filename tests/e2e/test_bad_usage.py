"""Wrong calls and wrong configuration: one clear message, the right exit code, nothing changed."""

import pytest

from program import numbered

TABLE = "bronze.events"


def tree(home):
    """Everything below the working folder, without the program's own folder as long as it holds no table."""
    return sorted(str(path.relative_to(home.folder)) for path in home.folder.glob("**/*") if ".sluice" not in path.parts)


WRONG = {
    "unknown option": (["load", "in", "--table", TABLE, "--tabel", "x"], ["--tabel"]),
    "unknown command": (["laod", "in"], ["laod"]),
    "no table": (["load", "in"], ["--table"]),
    "table without namespace": (["load", "in", "--table", "events"], ["events", "namespace"]),
    "empty part of a table name": (["load", "in", "--table", "bronze..events"], ["bronze..events"]),
    "missing path": (["load", "nowhere", "--table", TABLE], ["nowhere"]),
    "missing path beside a good one": (["load", "in", "nowhere.json", "--table", TABLE], ["nowhere.json"]),
    "glob that matches nothing": (["load", "in/*.parquet", "--table", TABLE], ["in/*.parquet"]),
    "broken glob": (["load", "in/[a", "--table", TABLE], ["in/[a"]),
    "unknown format": (["load", "in", "--table", TABLE, "--format", "excel"], ["excel"]),
    "unknown transform": (["load", "in", "--table", TABLE, "--partition-by", "week(id)"], ["week"]),
    "transform without its number": (["load", "in", "--table", TABLE, "--partition-by", "bucket(id)"], ["bucket"]),
    "unknown ingestion": (["run", "orders"], ["orders"]),
    "no such list": (["load", "in", "--table", TABLE, "--files-from", "list.txt"], ["list.txt"]),
    "no arguments to load": (["load"], []),
}


# Prevents wrong calls that half work, that blame the wrong thing, or that end with a stack of nested messages.
@pytest.mark.parametrize("what", WRONG)
def test_wrong_calls(home, what):
    arguments, words = WRONG[what]
    home.write_rows("in/a.json", numbered(2))
    before = tree(home)
    outcome = home.run(*arguments, code=2)
    for word in words:
        assert word in outcome.text, outcome
    assert len(outcome.err.strip().splitlines()) <= 6, outcome
    assert tree(home) == before
    assert not (home.folder / ".sluice/ledger.db").exists() or home.states() == {}


# Prevents a table from being made with partitions that its columns do not allow; what is wrong shows only once the files were looked at.
@pytest.mark.parametrize("transform", ["day(when)", "day(name)", "truncate(2, ratio)"])
def test_partitions_that_the_columns_do_not_allow(home, transform):
    home.write_rows("in/a.json", [{"id": 1, "name": "x", "ratio": 1.5}])
    outcome = home.run("load", "in", "--table", TABLE, "--partition-by", transform, code=None)
    assert outcome.code in (1, 2) and transform in outcome.text, outcome
    assert not list(home.folder.glob("warehouse/**/*.metadata.json")) and home.states().get("SUCCESS", 0) == 0
    home.load("in", "--table", TABLE)
    assert home.lake.count(TABLE) == 1


# Prevents a message about something else when a table or a run is misspelt.
def test_names_that_nobody_knows(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    for arguments in (["table", "bronze.nothing"], ["files", "nothing"], ["runs", "nothing"], ["run-info", "nothing"], ["status", "nothing"]):
        outcome = home.run(*arguments, code=2)
        assert "nothing" in outcome.err, outcome


# Prevents a typing error in a path from passing as "nothing to do", and --allow-empty from being ignored.
def test_allow_empty(home):
    assert home.run("load", "in/*.json", "--table", TABLE, "--allow-empty").code == 0
    assert not list(home.folder.glob("warehouse/**/*.metadata.json"))


BROKEN = {
    "not YAML": ("ingestions:\n  events:\n   - a: [1, 2\n", ["sluice.yaml:", "4"]),
    "unknown key": ("ingestions:\n  events:\n    source: {paths: [in]}\n    table: b.events\n    on_chnage: append\n", ["sluice.yaml:5:5", "on_chnage"]),
    "wrong type": ("ingestions:\n  events:\n    source: {paths: [in]}\n    table: [a, b]\n", ["sluice.yaml:4", "table"]),
    "wrong word": ("ingestions:\n  events:\n    source: {paths: [in]}\n    table: bronze.events\n    on_change: maybe\n", ["sluice.yaml:5", "maybe", "append"]),
    "no table": ("ingestions:\n  events:\n    source: {paths: [in]}\n", ["sluice.yaml:", "table"]),
    "missing secret": ("catalogs:\n  local: {type: sql, uri: \"sqlite:${env:NO_SUCH_NAME}\"}\n", ["sluice.yaml:2", "NO_SUCH_NAME"]),
}


# Prevents configuration errors without a place: the message names file, line and column.
@pytest.mark.parametrize("what", BROKEN)
def test_broken_configuration(home, what):
    text, words = BROKEN[what]
    home.write_rows("in/a.json", numbered(2))
    home.write("sluice.yaml", text)
    before = tree(home)
    outcome = home.run("run", "events", code=2)
    for word in words:
        assert word in outcome.text, outcome
    assert tree(home) == before


# Prevents schedulers from giving up a job as badly configured while the ledger's server is only down: code 1, to be tried again.
def test_a_ledger_that_does_not_answer_is_no_wrong_usage(home):
    home.write_rows("in/a.json", numbered(2))
    outcome = home.run("load", "in", "--table", TABLE, "--ledger", "postgresql://nobody@127.0.0.1:1/none", code=1)
    assert "postgresql://127.0.0.1:1/none" in outcome.text, outcome
    assert not (home.folder / "warehouse").exists(), "nothing is loaded without the ledger"


# Prevents a contract's errors from being reported without a place.
def test_broken_contract(home):
    home.write_rows("in/a.json", numbered(2))
    home.write("contract.yaml", "columns:\n  - {name: id, type: long}\n  - {name: when, type: tomorrow}\n")
    home.write("sluice.yaml", "ingestions:\n  events:\n    source: {paths: [in]}\n    table: bronze.events\n    schema: {contract: contract.yaml}\n")
    outcome = home.run("run", "events", code=None)
    assert outcome.code in (1, 2) and "contract.yaml:3" in outcome.text and "tomorrow" in outcome.text, outcome
    assert not list(home.folder.glob("warehouse/**/*.parquet"))


# Prevents a table from being split over two warehouses because somebody typed another folder.
def test_warehouse_of_another_catalog(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    home.write_rows("in/b.json", numbered(2, 3))
    outcome = home.run("load", "in", "--table", TABLE, "--warehouse", "elsewhere", code=2)
    assert "elsewhere" in outcome.text and "warehouse" in outcome.text
    assert home.lake.count(TABLE) == 2 and not (home.folder / "elsewhere").exists()


# Prevents two catalogs from writing their tables into the same folders: each would take the other's files for orphans.
def test_warehouse_that_another_catalog_uses(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    before = tree(home)
    outcome = home.run("load", "in", "--table", TABLE, "--home", "other", code=None)
    assert outcome.code in (1, 2) and "warehouse" in outcome.text, outcome
    assert [path for path in tree(home) if not path.startswith("other")] == before
    assert home.lake.count(TABLE) == 2


# Prevents an older program from writing into the ledger of a newer one.
def test_ledger_of_a_newer_program(home):
    import sqlite3

    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    with sqlite3.connect(home.folder / ".sluice/ledger.db") as ledger:
        columns = [row[1] for row in ledger.execute("pragma table_info(schema_migrations)")]
        ledger.execute(f"insert into schema_migrations select {', '.join('9999' if name == columns[0] else name for name in columns)} "
                       "from schema_migrations limit 1")  # fmt: skip
    ledger.close()
    home.write_rows("in/b.json", numbered(2, 3))
    outcome = home.run("load", "in", "--table", TABLE, code=None)
    assert outcome.code in (1, 2) and "ledger" in outcome.text and "newer" in outcome.text, outcome
    assert home.lake.count(TABLE) == 2


# Prevents help that is missing, or that goes to the wrong stream.
@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["--version"]])
def test_help(home, arguments):
    outcome = home.run(*arguments)
    assert outcome.out.strip() and not outcome.err
    if "load" in arguments:
        for option in ("--table", "--partition-by", "--dry-run", "--no-tracking", "--files-from", "--allow-empty"):
            assert option in outcome.out
