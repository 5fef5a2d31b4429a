"""Columns by definition: renamed, cast, constant, from the path, from hive folders, kept as JSON text, and checked row by row."""

import datetime
import io
import json
import uuid
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archives import zip_of
from program import as_csv

TABLE = "bronze.sales"
DAY = datetime.date(2024, 3, 1)
PAYLOAD = {"a": [1, 2], "b": None}


def as_parquet(rows):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def as_json(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


WRITERS = {"csv": lambda rows: as_csv(rows).encode(), "json": as_json, "parquet": as_parquet}


def defined(*columns):
    return [part for column in columns for part in ("--column", column)]


def types_of(home):
    return {field.name: str(field.field_type) for field in home.lake.table(TABLE).schema().fields}


def quarantined(home):
    return [json.loads(line) for path in sorted(home.folder.glob("**/*.ndjson")) for line in path.read_text().splitlines()]


EVERYTHING = defined(
    "name: amount, from: 'Betrag (EUR)', type: 'decimal(12,2)'",
    "name: region, value: eu",
    r"name: day, path_pattern: 'sales-(\d{4}-\d\d-\d\d)', type: date",
)


# Prevents a definition from working for one format alone, a renamed field from staying a column, and values of the path from getting lost.
@pytest.mark.parametrize("kind", WRITERS)
def test_rename_cast_constant_and_path(home, kind):
    rows = [{"id": 1, "Betrag (EUR)": "12.50"}, {"id": 2, "Betrag (EUR)": "7"}]
    home.write(f"in/sales-2024-03-01.{kind}", WRITERS[kind](rows))
    run = home.load("in", "--table", TABLE, *EVERYTHING)
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (2, 0)
    assert list(types_of(home)) == ["id", "amount", "region", "day", "_source_file"]
    expected = [{"id": 1, "amount": Decimal("12.50"), "region": "eu", "day": DAY}, {"id": 2, "amount": Decimal("7.00"), "region": "eu", "day": DAY}]
    home.lake.assert_judges_agree(TABLE, expected, [("amount", ">", Decimal("8.00")), ("day", "==", DAY)], judges=("pyiceberg", "duckdb"))
    assert home.load("in", "--table", TABLE, *EVERYTHING)["metrics"]["files_processed"] == 0


# Prevents a cast that only takes what has the type already (JSON says "44" for 44), and one that loses or keeps wrongly what is no such value.
@pytest.mark.parametrize("kind", WRITERS)
def test_cast_takes_text_and_rescues_the_rest(home, kind):
    rows = [{"id": 1, "age": "44", "ok": "true"}, {"id": 2, "age": "old", "ok": "FALSE"}, {"id": 3, "age": "1e3", "ok": "no"}]
    home.write(f"in/a.{kind}", WRITERS[kind](rows))
    run = home.load("in", "--table", TABLE, *defined("name: age, type: int", "name: ok, type: boolean"))
    assert run["metrics"]["rows_rescued"] == 2
    assert types_of(home)["age"] == "int"
    expected = [
        {"id": 1, "age": 44, "ok": True, "_rescued_data": None},
        {"id": 2, "age": None, "ok": False, "_rescued_data": '{"age": "old"}'},
        {"id": 3, "age": 1000, "ok": None, "_rescued_data": '{"ok": "no"}'},
    ]
    home.lake.assert_judges_agree(TABLE, expected, judges=("pyiceberg",))


# Prevents mode fixed from letting a value pass that the definition does not allow, or from refusing text that the type is read from.
@pytest.mark.parametrize("kind", WRITERS)
def test_cast_in_mode_fixed(home, kind):
    options = [*defined("name: age, type: int", "name: meta, json: true"), "--schema-mode", "fixed"]
    home.write(f"in/good.{kind}", WRITERS[kind]([{"id": 1, "age": "44", "meta": "x"}]))
    home.load("in", "--table", TABLE, *options)
    home.write(f"in/wrong.{kind}", WRITERS[kind]([{"id": 2, "age": "1", "meta": "x"}, {"id": 3, "age": "old", "meta": "x"}]))
    home.load("in", "--table", TABLE, *options, code=1)
    (failed,) = home.ledger("select error_type, error_message from processed_files where status = 'FAILED'")
    assert failed["error_type"] == "SchemaMismatch" and "age" in failed["error_message"] and "old" in failed["error_message"], failed
    home.lake.assert_judges_agree(TABLE, [{"id": 1, "age": 44, "meta": '"x"'}], judges=("pyiceberg",))


# Prevents a field that nobody defined from failing its file, in mode fixed and beside a column of JSON text, without a word of the way out.
def test_a_field_without_place_in_mode_fixed(home):
    options = [*defined("name: meta, json: true"), "--schema-mode", "fixed"]
    home.write_rows("in/good.json", [{"id": 1, "meta": [1]}])
    home.load("in", "--table", TABLE, *options)
    home.write_rows("in/more.json", [{"id": 2, "meta": {"a": 1}, "zip": "x"}])
    failed = home.load("in", "--table", TABLE, *options, code=1)
    said = 'more.json: row 1: column "zip": "x" has no place in the table, to which mode fixed adds nothing (evolve gives it a column'
    assert said in failed["error"] and "--schema-mode" in failed["error"], failed["error"]
    home.load("in", "--table", TABLE, *options[:-1], "rescue")
    expected = [{"id": 1, "meta": "[1]", "_rescued_data": None}, {"id": 2, "meta": '{"a": 1}', "_rescued_data": '{"zip": "x"}'}]
    home.lake.assert_judges_agree(TABLE, expected, judges=("pyiceberg",))


# Prevents a postcode that loses its zero in a column that became a number before, and one that is no number though the user says so.
def test_codes_in_columns_of_numbers(home):
    contract = {"columns": [{"name": name, "type": "long"} for name in ("id", "zip", "phone")]}
    home.write("contract.yaml", json.dumps(contract))
    ways = {"found": [], "defined": defined("name: code, from: zip, type: int"), "contract": ["--contract", "contract.yaml"]}
    home.write("in/a.csv", "id,zip,phone\n1,10115,41791234567\n")
    for name, options in ways.items():
        home.load("in", "--table", f"codes.{name}", *options)
    home.write("in/b.csv", "id,zip,phone\n2,01067,+41791234567\n")
    for name, options in ways.items():
        home.load("in", "--table", f"codes.{name}", *options)
    second = {name: [row for row in home.lake.table(f"codes.{name}").scan().to_arrow().to_pylist() if row["id"] == 2][0] for name in ways}
    assert (second["found"]["zip"], second["found"]["phone"]) == (None, None)
    assert json.loads(second["found"]["_rescued_data"]) == {"zip": "01067", "phone": "+41791234567"}
    assert (second["defined"]["code"], second["defined"]["phone"]) == (1067, None)
    assert json.loads(second["defined"]["_rescued_data"]) == {"phone": "+41791234567"}
    assert (second["contract"]["zip"], second["contract"]["phone"]) == (1067, 41791234567)


# Prevents hive folders from being text only, from staying encoded, from losing to the file's own column, and null from becoming a word.
@pytest.mark.parametrize("kind", WRITERS)
def test_hive_folders(home, kind):
    write = WRITERS[kind]
    home.write(f"in/year=2024/city=New%20York/a.{kind}", write([{"id": 1, "year": 1}]))
    home.write(f"in/year=2025/city=__HIVE_DEFAULT_PARTITION__/b.{kind}", write([{"id": 2, "year": 1}]))
    home.load("in", "--table", TABLE, "--hive-partitioning", "--partition-by", "year")
    assert types_of(home)["year"] == "long" and types_of(home)["city"] == "string"
    rows = [{"id": 1, "year": 2024, "city": "New York"}, {"id": 2, "year": 2025, "city": None}]
    home.lake.assert_judges_agree(TABLE, rows, [("year", "==", 2024), ("city", "null")], judges=("pyiceberg", "duckdb"))
    # A folder that comes later is a new column; one that does not fit is rescued.
    home.write(f"in/year=none/city=Bern/month=03/c.{kind}", write([{"id": 3}]))
    run = home.load("in", "--table", TABLE, "--hive-partitioning")
    assert run["schema_changes"][0] == "add column month string", run
    rows.append({"id": 3, "year": None, "city": "Bern", "month": "03", "_rescued_data": '{"year": "none"}'})
    home.lake.assert_judges_agree(TABLE, rows, judges=("pyiceberg",))


# Prevents the type of a hive column from being that of the first folder: 1 is a number, a is none, and both are there.
def test_hive_types_are_those_of_all_folders(home):
    for number in range(300):  # more than are sampled
        home.write_rows(f"in/part={number if number != 150 else 'a'}/x.json", [{"id": number}])
    home.load("in", "--table", TABLE, "--hive-partitioning", *defined("name: week, from: part, type: string"))
    rows = home.lake.rows(TABLE)
    assert {row["week"] for row in rows} == {str(number) for number in range(300)} - {"150"} | {"a"}
    assert "part" not in rows[0]


# Prevents JSON text from being anything but what the file says, of every kind of value.
def test_json_text(home):
    values = ['{"a": [1, 2.50], "b": null}', "[ ]", "12", '"text \\u00e9 \\"q\\""', "true", "1e400"]
    lines = [f'{{"id": {i}, "payload": {value}, "extra": {i}}}\n' for i, value in enumerate(values)]
    home.write("in/a.json", "".join(lines) + '{"id": 100, "payload": null}\n{"id": 101}\n')
    run = home.load("in", "--table", TABLE, *defined("name: doc, from: payload, json: true"))
    assert run["metrics"]["rows_rescued"] == 0
    assert list(types_of(home)) == ["id", "doc", "extra", "_source_file"]
    expected = [{"id": i, "doc": value} for i, value in enumerate(values)] + [{"id": 100, "doc": None}, {"id": 101, "doc": None}]
    home.lake.assert_judges_agree(TABLE, expected, judges=("pyiceberg", "duckdb"))


# Prevents nested columns of Parquet and text of CSV from becoming anything but valid JSON.
def test_json_text_of_other_formats(home):
    home.write("in/a.parquet", as_parquet([{"id": 1, "doc": PAYLOAD}, {"id": 2, "doc": {"a": [], "b": None}}]))
    home.write("in/b.csv", 'id;doc\n3;"{""x"":1}"\n4;"plain ""text"""\n5;\n')
    home.load("in", "--table", TABLE, *defined("name: doc, json: true"))
    docs = {row["id"]: row["doc"] and json.loads(row["doc"]) for row in home.lake.rows(TABLE)}
    assert docs == {1: PAYLOAD, 2: {"a": [], "b": None}, 3: {"x": 1}, 4: 'plain "text"', 5: None}


CHECKS = {
    "required": ("check: {required: true}", "open", None, 'required column "v" has no value'),
    "min": ("type: int, check: {min: 0}", 0, -1, 'column "v": -1 is below min 0'),
    "max": ("type: date, check: {max: 2024-03-01}", "2024-03-01", "2024-03-02", 'column "v": "2024-03-02" is above max 2024-03-01'),
    "in": ("check: {in: [open, closed]}", "open", "ajar", 'column "v": "ajar" is none of open, closed'),
    "pattern": ("check: {pattern: '.+@.+'}", "a@b", "a@", 'column "v": "a@" does not match .+@.+'),
}


# Prevents a check that sees nothing, that takes null for a value, or that loads part of a file that it fails.
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("check", CHECKS)
def test_checks(home, check, kind):
    definition, good, bad, reason = CHECKS[check]
    rows = [{"id": 1, "v": good}, {"id": 2, "v": bad}, {"id": 3, "v": good}, {"id": 4, "v": good if check == "required" else None}]
    home.write(f"in/a.{kind}", WRITERS[kind](rows))
    options = ["in", "--table", TABLE, *defined(f"name: v, {definition}")]
    home.load(*options, code=1)
    (failed,) = home.ledger("select error_type, error_message from processed_files where status = 'FAILED'")
    assert failed["error_type"] == "ParseError" and f"row 2: {reason}; allow such rows with --on-bad-row=skip" in failed["error_message"], failed
    run = home.load(*options, "--on-bad-row", "skip")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rejected"]) == (3, 1)
    (row,) = quarantined(home)
    assert row["reason"] == f"row 2: {reason}" and json.loads(row["text"])["id"] == 2 and row["file"].endswith(f"/a.{kind}")
    assert sorted(row["id"] for row in home.lake.rows(TABLE)) == [1, 3, 4]


# Prevents a column that must have values from being forgotten where no file and no table has it yet.
@pytest.mark.parametrize("kind", WRITERS)
def test_required_and_nowhere(home, kind):
    options = ["in", "--table", TABLE, *defined("name: v, check: {required: true}")]
    home.write(f"in/a.{kind}", WRITERS[kind]([{"id": 1}]))
    failed = home.load(*options, code=1)
    assert f'a.{kind}: required column "v": the file has no such field' in failed["error"], failed
    home.write(f"in/b.{kind}", WRITERS[kind]([{"id": 2, "v": 1}]))
    home.load(*options, code=3)
    home.lake.assert_judges_agree(TABLE, [{"id": 2, "v": 1}], judges=("pyiceberg",))


# Prevents a type from working in files and not as one value for all of them.
def test_constants_of_every_type(home):
    home.write_rows("in/a.json", [{"id": 1}, {"id": 2}])
    values = {
        "boolean": ("true", True), "int": ("7", 7), "long": ("8", 8), "double": ("1.5", 1.5), "decimal(5,2)": ("1.50", Decimal("1.50")),
        "date": ("2024-03-01", DAY), "time": ("10:00:00", datetime.time(10)), "timestamp": ("2024-03-01T10:00:00", datetime.datetime(2024, 3, 1, 10)),
        "string": ("x", "x"), "uuid": ("00000000-0000-0000-0000-00000000000a", uuid.UUID(int=10)), "fixed[3]": ("YWJj", b"abc"), "binary": ("YWJj", b"abc"),
    }  # fmt: skip
    home.load("in", "--table", TABLE, *defined(*(f"name: c{i}, value: '{text}', type: '{type}'" for i, (type, (text, _)) in enumerate(values.items()))))
    row = {f"c{i}": value for i, (_, value) in enumerate(values.values())}
    home.lake.assert_judges_agree(TABLE, [{"id": 1, **row}, {"id": 2, **row}], judges=("pyiceberg",))


# Prevents rows that break a check from being outside the limits of bad rows, alone or beside rows that cannot be read.
def test_checks_count_as_bad_rows(home):
    home.write("in/a.json", '{"id": 1, "v": 1}\n{broken\n{"id": 2, "v": 9}\n{"id": 3, "v": 2}\n')
    options = ["in", "--table", TABLE, "--on-bad-row", "skip", *defined("name: v, check: {max: 5}")]
    home.load(*options, "--bad-rows-max", "1", code=1)
    home.load(*options, "--bad-rows-max", "30%", code=1)
    run = home.load(*options, "--bad-rows-max", "2")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rejected"]) == (2, 2)
    assert len(quarantined(home)) == 2


# Prevents Parquet objects and members of archives from having other columns than a table's rows.
def test_parquet_objects_and_members(home):
    home.write("in/year=2024/sales-2024-03-01.zip", zip_of({"x/a.json": as_json([{"id": 1, "Betrag (EUR)": 5, "age": "7"}])}))
    home.write("in/year=2025/sales-2024-03-01.csv", "id,Betrag (EUR),age\n2,6,8\n3,x,900\n")
    options = [*EVERYTHING, *defined("name: age, type: int, check: {max: 150}"), "--hive-partitioning", "--on-bad-row", "skip"]
    run = home.load("in", "--parquet", "out", *options)
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rejected"]) == (2, 1)
    rows = sorted((row for path in home.folder.glob("out/**/*.parquet") for row in pq.ParquetFile(path).read().to_pylist()), key=lambda row: row["id"])
    common = {"region": "eu", "day": DAY}
    expected = [{"id": 1, "amount": Decimal(5), "age": 7, "year": 2024, **common}, {"id": 2, "amount": Decimal(6), "age": 8, "year": 2025, **common}]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    home.load("in", "--table", TABLE, *options, "--no-tracking")
    home.lake.assert_judges_agree(TABLE, expected, judges=("pyiceberg",))


# Prevents a large file, read in parts by several threads, from losing its definitions, or the number of a bad row.
def test_a_file_read_in_parts(home):
    filler = "x" * 100
    with home.write("in/n=7/big.json", "").open("w") as out:
        out.writelines(f'{{"id": {i}, "f": "{filler}", "v": "{i}"}}\n' for i in range(700_000))
    columns = defined("name: v, type: long, check: {max: 699998}", "name: c, value: 5")
    failed = home.load("in", "--table", TABLE, "--hive-partitioning", *columns, "--threads", "2", code=1)
    assert 'row 700000: column "v": 699999 is above max 699998' in failed["error"], failed
    run = home.load("in", "--table", TABLE, "--hive-partitioning", *columns, "--threads", "2", "--on-bad-row", "skip")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rejected"], run["metrics"]["rows_rescued"]) == (699_999, 1, 0)
    table = home.lake.table(TABLE).scan(selected_fields=("v", "c", "n")).to_arrow().to_pandas()
    assert table.v.sum() == 699_998 * 699_999 // 2 and set(table.c) == {5} and set(table.n) == {7}


# Prevents a table from getting its defined columns late, twice or not, and a type that it cannot have from being found out row by row.
def test_a_table_that_is_there(home):
    home.write_rows("in/1.json", [{"id": 1, "size": 1}])
    home.load("in", "--table", TABLE, *defined("name: size, type: int"))
    home.write_rows("in/2.json", [{"id": 2, "size": "3000000000", "doc": [1]}])
    columns = defined("name: size, type: long", "name: doc, json: true", "name: src, value: crm")
    dry = home.run("load", "in", "--table", TABLE, *columns, "--dry-run", "--json").json
    run = home.load("in", "--table", TABLE, *columns)
    changes = ["add column src string", "widen size int -> long", "add column doc string"]
    assert sorted(run["schema_changes"]) == sorted(changes) == sorted(dry["schema_changes"]), (run, dry)
    rows = [{"id": 1, "size": 1, "src": None, "doc": None}, {"id": 2, "size": 3_000_000_000, "src": "crm", "doc": "[1]"}]
    home.lake.assert_judges_agree(TABLE, rows, judges=("pyiceberg",))

    home.write_rows("in/3.json", [{"id": 3, "size": 1}])
    for wrong, said in {
        "name: size, type: date": 'column "size" (by definition): it is long in the table, defined is date',
        "name: id, check: {min: low}": 'column "id" (by definition): check.min: "low" is no long',
        "name: src, check: {max: z}": "min and max of a string column compare text",
    }.items():
        assert said in home.load("in", "--table", TABLE, *defined(wrong), code=1)["error"]
    failed = home.load("in", "--table", TABLE, *defined("name: more, value: 1"), "--schema-mode", "rescue", code=1)
    assert 'column "more" (by definition): the table has no such column' in failed["error"]


# Prevents definitions from changing a table that nobody may change unasked, and approved ones from being forgotten.
def test_approval(home):
    home.write_rows("in/1.json", [{"id": 1}])
    home.load("in", "--table", TABLE, "--schema-mode", "approve")
    home.write_rows("in/year=2024/2.json", [{"id": 2, "doc": [1]}])
    columns = [*defined("name: doc, json: true", "name: src, value: crm"), "--hive-partitioning"]
    run = home.load("in", "--table", TABLE, "--schema-mode", "approve", *columns)
    assert run["metrics"]["records_written"] == 0 and home.states() == {"SUCCESS": 1, "DISCOVERED": 1}
    (waiting,) = run["waiting_for_approval"]
    assert waiting["changes"].count("add column") == 3, waiting
    home.run("approve", TABLE, "--yes")
    rows = [{"id": 1, "doc": None, "src": None, "year": None}, {"id": 2, "doc": "[1]", "src": "crm", "year": 2024}]
    home.lake.assert_judges_agree(TABLE, rows, judges=("pyiceberg",))


# Prevents a contract's header check from comparing names that the files do not use, and a definition from breaking the contract.
def test_with_a_contract(home):
    home.write("contract.yaml", "columns:\n  - {name: id, type: long, required: true}\n  - {name: amount, type: long, required: true}\n  - {name: year, type: int}\n")
    home.write("in/year=2024/a.csv", "id,Betrag\n1,5\n")
    home.write("in/year=2024/b.csv", "id,Betrag,more\n1,5,6\n")
    home.write("in/year=2024/c.json", '{"id": 3, "Betrag": "7"}\n')
    options = ["in", "--table", TABLE, "--contract", "contract.yaml", "--hive-partitioning"]
    run = home.load(*options, *defined("name: amount, from: Betrag, type: long"))
    assert (run["metrics"]["records_written"], run["metrics"]["files_skipped"]) == (2, 1)
    rows = [{"id": 1, "amount": 5, "year": 2024}, {"id": 3, "amount": 7, "year": 2024}]
    home.lake.assert_judges_agree(TABLE, rows, judges=("pyiceberg",))
    failed = home.load(*options, *defined("name: src, value: crm"), code=2)
    assert "the contract has no such column" in failed["error"]["message"]


# Prevents a file whose path does not say what it should from being loaded with a hole.
def test_a_path_that_does_not_match(home):
    home.write_rows("in/sales-2024-03-01.json", [{"id": 1}])
    home.write_rows("in/other.json", [{"id": 2}])
    home.load("in", "--table", TABLE, *EVERYTHING, code=3)
    (failed,) = home.ledger("select file_path, error_type, error_message from processed_files where status = 'FAILED'")
    assert failed["file_path"].endswith("/other.json") and failed["error_type"] == "SchemaMismatch"
    assert r"its path_pattern sales-(\d{4}-\d\d-\d\d) is not found" in failed["error_message"]


CONFIGURATION = r"""
ingestions:
  sales:
    source: {paths: [in]}
    table: bronze.sales
    on_change: append
    on_bad_row: {action: skip}
    schema:
      hive_partitioning: true
      columns:
        - {name: amount, from: "Betrag (EUR)", type: "decimal(12,2)"}
        - {name: status, check: {in: [open, closed], required: true}}
"""


# Prevents sluice.yaml from meaning other columns than the flags, and from hiding where a definition is wrong.
def test_sluice_yaml(home):
    home.write("sluice.yaml", CONFIGURATION)
    home.write("in/year=2024/a.csv", "id,Betrag (EUR),status\n1,5,open\n2,6,ajar\n3,7,\n")
    assert home.run("run", "sales", "--json").json["metrics"]["rows_rejected"] == 2
    home.lake.assert_judges_agree(TABLE, [{"id": 1, "amount": Decimal(5), "status": "open", "year": 2024}], judges=("pyiceberg",))
    for line, said in {
        "{name: x, type: money}": "sluice.yaml:13:11: column \"x\": ",
        "{name: x, from: a, value: b}": "from, value and path_pattern: give one of them",
        "{name: Amount}": 'column "Amount" is defined already (as "amount"',
        "{name: x, from: status}": 'the field "status" becomes column "status" already',
        "{name: _source_file, value: x}": "that is the name of a metadata column",
        "{name: x, check: {pattern: '('}}": "check.pattern: not a regular expression",
        "{name: x, type: int, check: {min: low}}": 'check.min: "low" is no int',
        "{name: x, path_pattern: day}": "it has no group",
        "{name: x, formula: 1}": 'unknown key "formula"',
    }.items():
        home.write("sluice.yaml", CONFIGURATION + f"        - {line}\n")
        outcome = home.run("run", "sales", code=2)
        assert said in outcome.err and "sluice.yaml:13:" in outcome.err, outcome
