"""Wrong calls and wrong configuration: one clear message, the right exit code, nothing changed."""

import pytest

from program import numbered

TABLE = "bronze.events"


def tree(home):
    """Everything below the working folder, without the program's own folder as long as it holds no table."""
    return sorted(str(path.relative_to(home.folder)) for path in home.folder.glob("**/*") if ".sluice" not in path.parts)


def everything(home):
    """Everything below the working folder."""
    return sorted(str(path.relative_to(home.folder)) for path in home.folder.glob("**/*"))


WRONG = {
    "unknown option": (["load", "in", "--table", TABLE, "--tabel", "x"], ["--tabel"]),
    "misspelt command": (["laod", "in", "--table", TABLE], ["laod", 'did you mean "load"?', "load, run, "]),
    "no command": (["in", "--table", TABLE], ['"in" is no command of sluice. There is: load, run, ']),
    "misspelt command of a command": (["token", "craete", "x"], ["craete", 'did you mean "create"?', "list, revoke"]),
    "check that nothing passes": (["load", "in", "--table", TABLE, "--column", "name: id, check: {in: []}"], ["check.in", "empty list"]),
    "misspelt key of a column": (["load", "in", "--table", TABLE, "--column", "name: id, fro: x"], ['did you mean "from"?']),
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
    "a profile without a file that has it": (["load", "in", "--table", TABLE, "--env", "prod"], ["--env prod", "sluice.yaml"]),
    "no arguments to load": (["load"], []),
    "a delimiter that is the quote": (["load", "in", "--table", TABLE, "--delimiter", '"'], ["delimiter", "quote"]),
    "a warehouse that is a file": (["load", "in", "--table", TABLE, "--warehouse", "in/a.json"], ["in/a.json is a file"]),
    "a warehouse below a file": (["load", "in", "--table", TABLE, "--warehouse", "in/a.json/x"], ["in/a.json is a file"]),
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


# Prevents a misspelt name, or a wrong folder, from leaving a ledger behind that the next one asks about.
def test_a_name_that_nobody_defined_leaves_nothing(home):
    outcome = home.run("run", "orders", code=2)
    assert 'ingestion "orders"' in outcome.err and "there is no ledger yet" in outcome.err, outcome
    assert everything(home) == []


# Prevents a run of an ingestion that only the ledger knows from loading into a catalog that is thrown away.
def test_a_run_by_name_makes_the_catalog(home):
    (home.folder / "in").mkdir()
    home.load("in", "--table", TABLE, "--allow-empty")
    for left in (home.folder / ".sluice").glob("catalog.db*"):
        left.unlink()
    home.write_rows("in/a.json", numbered(2))
    assert home.run("run", TABLE, "--json").json["metrics"]["records_written"] == 2
    assert home.lake.count(TABLE) == 2


# Prevents a list whose names are all misspelt from passing for one whose files are all loaded.
def test_a_list_of_files_that_are_not_there(home):
    home.write_rows("in/a.json", numbered(2))
    arguments = ("load", "in", "--table", TABLE, "--files-from", "list.txt")
    home.write("list.txt", "in/x.json\nin/y.json\n")
    outcome = home.run(*arguments, code=2)
    assert "none of its 2 file(s) is there" in outcome.text and not (home.folder / "warehouse").exists(), outcome
    home.run(*arguments, "--allow-empty")
    home.write("list.txt", "in/x.json\nin/a.json\n")
    home.run(*arguments)
    assert home.lake.count(TABLE) == 2


# Prevents an empty file from being read as if no profile had been asked for.
def test_a_profile_of_an_empty_file(home):
    home.write("sluice.yaml", "")
    home.write_rows("in/a.json", numbered(2))
    assert 'no profile "prod"' in home.run("load", "in", "--table", TABLE, "--env", "prod", code=2).err
    assert not (home.folder / "warehouse").exists()


# Prevents a load that rule T refuses from being remembered: later runs and `forget` would speak of the wrong table.
def test_a_refused_target_is_not_remembered(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    home.write_rows("in/b.json", numbered(2, 3))
    outcome = home.run("load", "in", "--table", "bronze.other", "--name", TABLE, code=1)
    assert "has loaded into" in outcome.text, outcome
    assert home.run("status", TABLE, "--json").json["table"] == TABLE
    assert home.run("run", TABLE, "--json").json["metrics"]["records_written"] == 2
    assert home.lake.count(TABLE) == 4


# Prevents a table from being made with partitions that its columns do not allow; what is wrong shows only once the files were looked at.
@pytest.mark.parametrize("transform", ["day(when)", "day(name)", "truncate(2, ratio)"])
def test_partitions_that_the_columns_do_not_allow(home, transform):
    home.write_rows("in/a.json", [{"id": 1, "name": "x", "ratio": 1.5}])
    before = tree(home)
    outcome = home.run("load", "in", "--table", TABLE, "--partition-by", transform, code=1)
    assert transform in outcome.err, outcome
    assert tree(home) == before and home.states() == {"DISCOVERED": 1}
    assert [run["status"] for run in home.run("runs", TABLE, "--json").json["runs"]] == ["FAILED"]
    home.load("in", "--table", TABLE)
    assert home.lake.count(TABLE) == 1


# Prevents a run, or a ledger, that is made for partitions which the contract's columns cannot have.
@pytest.mark.parametrize("transform", ["day(when)", "day(name)"])
def test_partitions_that_the_contract_does_not_allow(home, transform):
    home.write_rows("in/a.json", numbered(1))
    home.write("contract.yaml", "columns: [{name: id, type: long}, {name: name, type: string}]\n")
    before = everything(home)
    outcome = home.run("load", "in", "--table", TABLE, "--contract", "contract.yaml", "--partition-by", transform, code=2)
    assert transform in outcome.err and everything(home) == before, outcome
    home.load("in", "--table", TABLE, "--contract", "contract.yaml", "--partition-by", "bucket(2, id)")
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


CONTRACTS = {
    "missing": (None, ["contract.yaml"]),
    "bad type": ("columns:\n  - {name: id, type: long}\n  - {name: when, type: tomorrow}\n", ["contract.yaml:3", "tomorrow"]),
}


# Prevents a contract's errors from being reported without a place, and runs, ledgers and files waiting that such a call leaves behind.
@pytest.mark.parametrize("what", CONTRACTS)
def test_broken_contract(home, what):
    text, words = CONTRACTS[what]
    home.write_rows("in/a.json", numbered(2))
    if text:
        home.write("contract.yaml", text)
    home.write("sluice.yaml", "ingestions:\n  events:\n    source: {paths: [in]}\n    table: bronze.events\n    schema: {contract: contract.yaml}\n")
    before = everything(home)
    for call in (["run", "events"], ["load", "in", "--table", TABLE, "--contract", "contract.yaml"]):
        outcome = home.run(*call, code=2)
        assert all(word in outcome.err for word in words), outcome
        assert everything(home) == before
    assert "contract.yaml" in home.run("run", "--all", "--json", code=2).json["errors"][0]["error"]["message"]
    home.write("contract.yaml", "columns: [{name: id, type: long}, {name: name, type: string}]\n")
    home.run("run", "events")
    home.write("contract.yaml", "columns: [{name: id, type: nothing}]\n")
    home.run("run", "events", code=2)
    assert len(home.ledger("select * from runs")) == 1


# Prevents a table from being split over two warehouses because somebody typed another folder.
def test_warehouse_of_another_catalog(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    home.write_rows("in/b.json", numbered(2, 3))
    outcome = home.run("load", "in", "--table", TABLE, "--warehouse", "elsewhere", code=2)
    assert "elsewhere" in outcome.text and "warehouse" in outcome.text
    assert home.lake.count(TABLE) == 2 and not (home.folder / "elsewhere").exists()


# Prevents a --warehouse that is passed over without a word where sluice.yaml says where the catalog's tables lie.
def test_warehouse_beside_configured_catalogs(home):
    home.write_rows("in/a.json", numbered(2))
    home.write("sluice.yaml", "catalogs:\n  local: {type: sql, uri: \"sqlite:.sluice/catalog.db\", warehouse: ./warehouse}\n")
    before = everything(home)
    outcome = home.run("load", "in", "--table", TABLE, "--warehouse", "./mine", code=2)
    assert "--warehouse ./mine" in outcome.err and "sluice.yaml" in outcome.err, outcome
    assert everything(home) == before
    home.load("in", "--table", TABLE, "--warehouse", "./warehouse/")
    assert home.lake.count(TABLE) == 2


# Prevents two catalogs from writing their tables into the same folders: each would take the other's files for orphans.
def test_warehouse_that_another_catalog_uses(home):
    home.write_rows("in/a.json", numbered(2))
    home.load("in", "--table", TABLE)
    before = everything(home)
    outcome = home.run("load", "in", "--table", TABLE, "--home", "other", code=2)
    assert f"catalog sqlite:{home.folder}/other/catalog.db#local does not know" in outcome.err, outcome
    assert "it belongs to another catalog" in outcome.err, outcome
    assert everything(home) == before
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
    outcome = home.run("load", "in", "--table", TABLE, code=2)
    assert "ledger" in outcome.err and "newer" in outcome.err, outcome
    assert home.lake.count(TABLE) == 2


# Prevents scripts that asked for JSON from getting text when they are called wrongly, and errors beside the document.
@pytest.mark.parametrize("arguments", [["load", "in", "--tabel", "x"], ["laod", "in"], ["load", "in"], ["runs"], []])
def test_wrong_calls_in_json(home, arguments):
    home.write_rows("in/a.json", numbered(2))
    outcome = home.run(*arguments, "--json", code=2)
    assert outcome.json["error"]["code"] == "invalid_input" and outcome.json["error"]["message"], outcome
    assert outcome.err == ""


# Prevents help that is missing, or that goes to the wrong stream.
@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["--version"]])
def test_help(home, arguments):
    outcome = home.run(*arguments)
    assert outcome.out.strip() and not outcome.err
    if "load" in arguments:
        for option in ("--table", "--partition-by", "--dry-run", "--no-tracking", "--files-from", "--allow-empty"):
            assert option in outcome.out
