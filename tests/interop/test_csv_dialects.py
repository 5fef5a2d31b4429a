"""CSV as it is written in the world: the cases of RFC 4180 and dialects of real exporters. No option is given unless a case says so: what the
program finds out by itself is compared, value by value, with what DuckDB and pandas read when they are told how the file is written (pandas
always, DuckDB where its own sniffer does not see it). Where a judge reads another value, the case says which and why."""

import datetime
import decimal
from dataclasses import dataclass, field

import duckdb
import pandas
import pytest

TABLE = "bronze.rows"


@dataclass
class Dialect:
    """`rows` is what the file means; `said` what --dry-run tells of it."""

    content: bytes
    names: list
    rows: list
    said: str
    file: str = "data.csv"
    flags: list = field(default_factory=list)
    duckdb: str = ""  # arguments of read_csv
    duckdb_copy: str = ""  # the encoding from which the copy in UTF-8 is made that DuckDB reads
    pandas: dict = field(default_factory=dict)
    duckdb_reads: dict = field(default_factory=dict)  # (row, column): another value; the comment beside it says why
    pandas_reads: dict = field(default_factory=dict)


def dialect(content, names, rows, said, **more):
    return Dialect(content.encode() if isinstance(content, str) else content, names.split(), rows, said, **more)


A_DAY = datetime.date(2024, 2, 29)
DIALECTS = {
    # RFC 4180, section 2, case by case.
    "rfc_1_crlf": dialect("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", "aaa bbb ccc", [["zzz", "yyy", "xxx"]], "csv (name: 3 columns, delimiter ',')"),
    "rfc_2_no_last_line_end": dialect("aaa,bbb,ccc\r\nzzz,yyy,xxx", "aaa bbb ccc", [["zzz", "yyy", "xxx"]], "csv (name: 3 columns, delimiter ',')"),
    "rfc_3_header": dialect("name,n\r\na,1\r\nb,2\r\n", "name n", [["a", 1], ["b", 2]], "csv (name: 2 columns, delimiter ',')"),
    "rfc_4_spaces_belong_to_fields": dialect("a,b\n x , y\nz ,w\n", "a b", [[" x ", " y"], ["z ", "w"]], "csv (name: 2 columns, delimiter ',')"),
    "rfc_5_quoted": dialect('"aaa","bbb"\r\n"zzz",yyy\r\n', "aaa bbb", [["zzz", "yyy"]], "csv (name: 2 columns, delimiter ',')"),
    "rfc_6_breaks_and_commas_in_quotes": dialect('a,b\r\n"x\r\ny","1,2"\r\nz,w\r\n', "a b", [["x\r\ny", "1,2"], ["z", "w"]], "csv (name: 2 columns, delimiter ',')"),
    "rfc_7_doubled_quotes": dialect('a,b\r\n"x""y","""z"""\r\n', "a b", [['x"y', '"z"']], "csv (name: 2 columns, delimiter ',')"),
    # Delimiters.
    "semicolons": dialect("id;name\n1;Doe, John\n2;Roe, Jane\n", "id name", [[1, "Doe, John"], [2, "Roe, Jane"]], "csv (name: 2 columns, delimiter ';')", pandas={"sep": ";"}),
    "bars": dialect("id|name\n1|a,b\n2|c;d\n", "id name", [[1, "a,b"], [2, "c;d"]], "csv (name: 2 columns, delimiter '|')", pandas={"sep": "|"}),
    "tabs_by_content": dialect("id\tname\n1\ta b\n", "id name", [[1, "a b"]], "csv (name: 2 columns, delimiter tab)", pandas={"sep": "\t"}),
    "tabs_in_a_text_file": dialect("id\tname\n1\ta b\n", "id name", [[1, "a b"]], "csv (content: 2 columns, delimiter tab)", file="data.txt", pandas={"sep": "\t"}),
    "tsv_with_inches": dialect('size\tname\n5" pipe\tx\n6"\ty\n', "size name", [['5" pipe', "x"], ['6"', "y"]], "csv (name: 2 columns, delimiter tab, no quotes)", file="data.tsv",
                               duckdb="quote=''", pandas={"sep": "\t", "quoting": 3}),
    "tsv_by_name_with_one_column": dialect("name\na,b\nc,d\n", "name", [["a,b"], ["c,d"]], "csv (name: 1 column, delimiter tab)", file="data.tsv", flags=["--format", "tsv"],
                                           duckdb="delim='\t'", pandas={"sep": "\t"}),
    # Decimal commas.
    "excel_german": dialect("Artikel;Preis;Anzahl\r\nBirne;1,50;3\r\nApfel;-0,25;10\r\n", "Artikel Preis Anzahl", [["Birne", 1.5, 3], ["Apfel", -0.25, 10]],
                            "csv (name: 3 columns, delimiter ';', decimal ',')", duckdb="decimal_separator=','", pandas={"sep": ";", "decimal": ","}),
    "decimal_commas_and_tabs": dialect("n\tx\na\t1,5\nb\t2\n", "n x", [["a", 1.5], ["b", 2.0]], "csv (name: 2 columns, delimiter tab, decimal ',')",
                                       duckdb="decimal_separator=','", pandas={"sep": "\t", "decimal": ","}),
    "decimal_commas_without_header": dialect("1,5;2,5\n3,5;4,5\n", "column_1 column_2", [[1.5, 2.5], [3.5, 4.5]], "csv (name: 2 columns, delimiter ';', decimal ',', no header)",
                                             duckdb="delim=';', decimal_separator=','", pandas={"sep": ";", "decimal": ",", "header": None}),
    "thousands_stay_text": dialect("n;x\na;1.234,56\nb;7.890,12\n", "n x", [["a", "1.234,56"], ["b", "7.890,12"]], "csv (name: 2 columns, delimiter ';')", pandas={"sep": ";"}),
    "lists_of_numbers_stay_text": dialect("n;x\na;1,2\nb;3,4,5\n", "n x", [["a", "1,2"], ["b", "3,4,5"]], "csv (name: 2 columns, delimiter ';')",
                                          duckdb="delim=';', skip=0", pandas={"sep": ";"}),  # DuckDB would skip two lines to make the last one fit
    # Encodings. DuckDB has to be told of Latin-1; of what it does not know at all (byte order marks, surrogates, windows-1252) it reads a UTF-8 copy.
    "utf8_mark": dialect("\ufeffid,name\n1,ü\n", "id name", [[1, "ü"]], "csv (name: 2 columns, delimiter ',')", pandas={"encoding": "utf-8-sig"}),
    "excel_unicode_text": dialect("\ufeffid\tname\r\n1\tü🙂\r\n2\t\"a\tb\"\r\n".encode("utf-16-le"), "id name", [[1, "ü🙂"], [2, "a\tb"]],
                                  "csv (name: 2 columns, delimiter tab; encoding utf-16le)", duckdb_copy="utf-16", pandas={"sep": "\t", "encoding": "utf-16"}),
    "utf16be_without_mark": dialect("id;name\n1;имя\n2;名前\n".encode("utf-16-be"), "id name", [[1, "имя"], [2, "名前"]], "csv (content: 2 columns, delimiter ';'; encoding utf-16be)",
                                    file="data.dat", duckdb_copy="utf-16-be", pandas={"sep": ";", "encoding": "utf-16-be"}),
    "utf16be_mark": dialect("\ufeffid,name\n1,ß\n".encode("utf-16-be"), "id name", [[1, "ß"]], "csv (name: 2 columns, delimiter ','; encoding utf-16be)",
                            duckdb_copy="utf-16", pandas={"encoding": "utf-16"}),
    "latin_1": dialect("id;ort;wert\n1;Köln;1,5\n2;Åbo;2,25\n".encode("latin-1"), "id ort wert", [[1, "Köln", 1.5], [2, "Åbo", 2.25]],
                       "csv (name: 3 columns, delimiter ';', decimal ','; encoding windows-1252)", duckdb="encoding='latin-1', decimal_separator=','",
                       pandas={"sep": ";", "encoding": "latin-1", "decimal": ","}),
    "windows_1252": dialect("id,text\n1,€5 – “ok”\n".encode("windows-1252"), "id text", [[1, "€5 – “ok”"]], "csv (name: 2 columns, delimiter ','; encoding windows-1252)",
                            duckdb_copy="windows-1252", pandas={"encoding": "windows-1252"}),
    # Quotes and escapes.
    "single_quotes": dialect("id,name\n1,'a,b'\n2,'c'\n", "id name", [[1, "a,b"], [2, "c"]], "csv (name: 2 columns, delimiter ',', quote ''')", pandas={"quotechar": "'"}),
    "apostrophes": dialect("id,name\n1,'tis\n2,o'clock\n", "id name", [[1, "'tis"], [2, "o'clock"]], "csv (name: 2 columns, delimiter ',')"),
    "backslash_escapes": dialect('id,name\n1,"a \\"b\\" c"\n2,"d\\\\"\n', "id name", [[1, 'a "b" c'], [2, "d\\"]], "csv (name: 2 columns, delimiter ',', escape '\\')",
                                 pandas={"escapechar": "\\", "doublequote": False}),
    "backslashes_that_escape_nothing": dialect('id,path\n1,"C:\\new"\n2,C:\\x\n', "id path", [[1, "C:\\new"], [2, "C:\\x"]], "csv (name: 2 columns, delimiter ',')"),
    "all_quoted": dialect('"id","n"\n"1","2.5"\n"2","3"\n', "id n", [[1, 2.5], [2, 3.0]], "csv (name: 2 columns, delimiter ',')"),
    # Empty and quoted empty. pandas cannot tell them apart, DuckDB does if asked to.
    "empty_and_quoted_empty": dialect('a,b,c\n1,,x\n2,"",y\n', "a b c", [[1, None, "x"], [2, "", "y"]], "csv (name: 3 columns, delimiter ',')",
                                      duckdb="allow_quoted_nulls=false", pandas_reads={(1, 1): None}),
    "null_tokens": dialect("a,b\n1,NULL\n\\N,x\n", "a b", [[1, None], [None, "x"]], "csv (name: 2 columns, delimiter ',')", flags=["--null", "NULL", "--null", "\\N"],
                           duckdb="nullstr=['NULL', '\\N']", pandas={"na_values": ["NULL", "\\N"]}),
    # Comments, titles, line ends.
    "comments_first": dialect("# made by x, today\n# v2\nid,name\n1,a\n", "id name", [[1, "a"]], "csv (name: 2 columns, delimiter ',', comments '#')", pandas={"comment": "#"}),
    "comments_between": dialect("id,name\n1,a\n# a comment, with commas, more\n2,b\n", "id name", [[1, "a"], [2, "b"]], "csv (name: 2 columns, delimiter ',', comments '#')",
                                duckdb="comment='#'", pandas={"comment": "#"}),
    "a_hash_before_quoted_commas": dialect('id,name\n1,a\n#2,"b, c"\n', "id name", [["1", "a"], ["#2", "b, c"]], "csv (name: 2 columns, delimiter ',')", duckdb="comment='', all_varchar=true",
                                           pandas={"dtype": str}),
    "hashes_that_are_headings": dialect("tag,n\nx,1\n# heading,2\n", "tag n", [["x", 1], ["# heading", 2]], "csv (name: 2 columns, delimiter ',')", duckdb="comment=''"),
    "hashes_that_are_values": dialect("tag,n\n#a,1\n#b,2\n", "tag n", [["#a", 1], ["#b", 2]], "csv (name: 2 columns, delimiter ',')", duckdb="comment=''"),
    "titles": dialect("Sales report\nQ1\n\nid;name;n\n1;a;2\n2;b;3\n", "id name n", [[1, "a", 2], [2, "b", 3]], "csv (name: 3 columns, delimiter ';', 3 line(s) skipped)",
                      duckdb="skip=3", pandas={"sep": ";", "skiprows": 3}),
    "variant_calls": dialect("##fileformat=VCFv4.2\n##source=x\n#CHROM\tPOS\tID\n1\t100\trs1\n1\t200\trs2\n", "#CHROM POS ID", [[1, 100, "rs1"], [1, 200, "rs2"]],
                             "csv (name: 3 columns, delimiter tab, 2 line(s) skipped)", duckdb="skip=2, comment=''", pandas={"sep": "\t", "skiprows": 2}),
    "carriage_returns": dialect("id,name\r1,a\r2,b\r", "id name", [[1, "a"], [2, "b"]], "csv (name: 2 columns, delimiter ',')"),
    "mixed_line_ends": dialect("id,name\r\n1,a\n2,b\r\n3,c\n", "id name", [[1, "a"], [2, "b"], [3, "c"]], "csv (name: 2 columns, delimiter ',')", duckdb="strict_mode=false"),
    "blank_lines": dialect("\nid,name\n\n1,a\n\n\n2,b\n\n", "id name", [[1, "a"], [2, "b"]], "csv (name: 2 columns, delimiter ',')"),
    # Headers.
    "numbers_without_header": dialect("1,2.5,x\n2,3.5,y\n", "column_1 column_2 column_3", [[1, 2.5, "x"], [2, 3.5, "y"]], "csv (name: 3 columns, delimiter ',', no header)", pandas={"header": None}),
    "dates_without_header": dialect("2024-02-29,x\n2024-02-29,y\n", "column_1 column_2", [[A_DAY, "x"], [A_DAY, "y"]], "csv (name: 2 columns, delimiter ',', no header)", pandas={"header": None}),
    "text_without_header_said": dialect("ann,ulm\nbob,bonn\n", "column_1 column_2", [["ann", "ulm"], ["bob", "bonn"]], "csv (name: 2 columns, delimiter ',', no header)",
                                        flags=["--no-header"], duckdb="header=false", pandas={"header": None}),
    "pandas_index": dialect(",a\n0,x\n1,y\n", "column_1 a", [[0, "x"], [1, "y"]], "csv (name: 2 columns, delimiter ',')", duckdb="header=true"),
    "repeated_names": dialect("a,a,b\n1,2,x\n", "a a_2 b", [[1, 2, "x"]], "csv (name: 3 columns, delimiter ',')"),
    "one_column": dialect("name\nann\nbob\n", "name", [["ann"], ["bob"]], "csv (name: 1 column, delimiter ',')"),
    # Values. Digits with a leading zero are codes; pandas makes numbers of them.
    "codes": dialect("zip,n\n01067,1\n80331,2\n", "zip n", [["01067", 1], ["80331", 2]], "csv (name: 2 columns, delimiter ',')",
                     pandas_reads={(0, 0): 1067, (1, 0): 80331}),
    # Beyond 64 bits the judges have a double, which has lost digits.
    "long_numbers": dialect("n,x\n123456789012345678901,a\n1,b\n", "n x", [[decimal.Decimal("123456789012345678901"), "a"], [decimal.Decimal(1), "b"]], "csv (name: 2 columns, delimiter ',')",
                            duckdb_reads={(0, 0): 123456789012345680000.0}, pandas_reads={(0, 0): 123456789012345680000.0}),
    "exponents_and_signs": dialect("x,y\n1e3,-5\n-2.5E-1,7\n", "x y", [[1000.0, -5], [-0.25, 7]], "csv (name: 2 columns, delimiter ',')"),
    "times": dialect("at,b\n2024-02-29 10:00:00,true\n2024-02-29 23:59:59.5,false\n", "at b",
                     [[datetime.datetime(2024, 2, 29, 10), True], [datetime.datetime(2024, 2, 29, 23, 59, 59, 500000), False]], "csv (name: 2 columns, delimiter ',')",
                     # pandas leaves times as they are written.
                     pandas_reads={(0, 0): "2024-02-29 10:00:00", (1, 0): "2024-02-29 23:59:59.5"}),
    "percent_and_money_stay_text": dialect("a,b\n5%,$1.50\n6%,$2\n", "a b", [["5%", "$1.50"], ["6%", "$2"]], "csv (name: 2 columns, delimiter ',')"),
}  # fmt: skip


def plain(value):
    """One spelling for what different libraries give for a value."""
    if value is None or value is pandas.NaT or (isinstance(value, float) and value != value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, decimal.Decimal):
        return value if abs(value) > 2**53 else float(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, datetime.date) else value


def plain_rows(rows, other=()):
    rows = [[plain(value) for value in row] for row in rows]
    for (row, column), value in dict(other).items():
        rows[row][column] = plain(value)
    return rows


def read_by_duckdb(path, arguments):
    return duckdb.sql(f"select * from read_csv('{path}'{', ' + arguments if arguments else ''})").fetchall()


def read_by_pandas(path, arguments):
    keep = {"keep_default_na": False, "na_values": [""], **arguments}
    return pandas.read_csv(path, **keep).astype(object).values.tolist()


# Prevents a dialect that people have from being read as another, and values from being changed by it; what was found is told.
@pytest.mark.parametrize("name", DIALECTS)
def test_reads_as_the_judges_do(home, name):
    case = DIALECTS[name]
    path = home.write(f"in/{case.file}", case.content)
    flags = ["--table", TABLE, "--metadata-columns", "", *case.flags]
    dry = home.load("in", *flags, "--dry-run")
    assert dry["formats"] == [{"file_path": f"file://{path}", "format": case.said if not case.flags or "--format" not in case.flags else case.said.replace("name", "given")}]
    run = home.load("in", *flags)
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (len(case.rows), 0)
    table = home.lake.table(TABLE).scan().to_arrow()
    assert table.column_names == case.names
    assert plain_rows(map(list, zip(*table.to_pydict().values()))) == plain_rows(case.rows)
    copy = home.write("copy.csv", case.content.decode(case.duckdb_copy)) if case.duckdb_copy else path
    assert plain_rows(read_by_duckdb(copy, case.duckdb)) == plain_rows(case.rows, case.duckdb_reads), "DuckDB"
    assert plain_rows(read_by_pandas(path, case.pandas)) == plain_rows(case.rows, case.pandas_reads), "pandas"


# Prevents one file's dialect from being taken for another's: each file of a folder is looked at, however small, and beside ordinary ones.
def test_each_file_has_its_own_dialect(home):
    for number in range(30):
        home.write(f"in/{number:02}_plain.csv", f"id,x\n{number},0.5\n")
    home.write("in/40.csv", "id;x\n40;1,5\n")
    home.write("in/41.csv", "id|x\n41|2.5\n")
    home.write("in/42.csv", "﻿id\tx\r\n42\t3.5\r\n".encode("utf-16-le"))
    home.write("in/43.csv", "# note\nx,id\n4.5,43\n")
    home.write("in/44.csv", "Title\nid,x\n44,5.5\n")
    run = home.load("in", "--table", TABLE)
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"], run["metrics"]["files_failed"]) == (35, 0, 0)
    rows = home.lake.table(TABLE).scan().to_arrow().select(["id", "x"]).to_pylist()
    assert sorted((row["id"], row["x"]) for row in rows) == [(n, 0.5) for n in range(30)] + [(40, 1.5), (41, 2.5), (42, 3.5), (43, 4.5), (44, 5.5)]


# Prevents rows from being lost without a word: those of an older table above a newer one, and those behind what was looked at that begin like the comments there.
def test_what_may_be_rows_is_told(home):
    home.write("in/a.csv", "id,name\n1,a\n2,b\nid,name,city\n3,c,Oslo\n")
    home.write("in/b.csv", "# made by x\nid,name\n" + "".join(f"{n},x{n}\n" for n in range(20_000)) + "# so far, so good, so what\n#7,y\n")
    home.load("in", "--table", TABLE, code=1)
    failed = {row["file_path"][-5:]: row["error_message"] for row in home.ledger("select file_path, error_message from processed_files")}
    assert "line 4: expected 2 fields, found 3" in failed["a.csv"]
    assert "line 20004: it begins like a comment, but has as many fields as a row; --comment says which it is" in failed["b.csv"]
    run = home.load("in/b.csv", "--table", "bronze.comments", "--name", "comments", "--comment", "#")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (20_000, 0)


# Prevents a wrong place in the message for a file that is not UTF-8: it is that of the bytes as they lie in the file.
def test_errors_name_the_place_in_the_stored_file(home):
    text = "\ufeffid;name\nä1;x\n2;y;z\n"
    home.write("in/a.csv", text.encode("utf-16-le"))
    home.write("in/b.csv", "id;name\n1;caf\u00e9\n2;y;z\n".encode("latin-1"))
    home.write("in/c.csv", "id;name\n1;x\n".encode("utf-16-le") + b"\x3d\xd8;\x00")
    home.load("in", "--table", TABLE, code=1)
    failed = {row["file_path"][-5:]: row for row in home.ledger("select file_path, error_type, error_message, error_line, error_byte from processed_files")}
    assert {row["error_type"] for row in failed.values()} == {"ParseError"}
    place = {name: (row["error_line"], row["error_byte"]) for name, row in failed.items()}
    assert place == {"a.csv": (3, 2 * text.index("2;y")), "b.csv": (3, len("id;name\n1;cafe\n")), "c.csv": (3, 2 * len("id;name\n1;x\n") + 2)}
    assert "half a character (a lone surrogate)" in failed["c.csv"]["error_message"]


# Prevents a large file of another dialect from being cut where quotes, comments or encodings make another record, and from losing rows there.
@pytest.mark.parametrize("kind", ["semicolons", "latin_1_late", "utf_16", "comments"])
def test_large_files(home, kind):
    count = 700_000
    lines = [f'{number};"a;{number % 7}"; {"x" * 90}' for number in range(count)]
    text = "id;name;pad\n" + "\n".join(lines) + "\n"
    encoded = {
        "semicolons": lambda: text.encode(),
        "latin_1_late": lambda: (text + f"{count};ü;x\n").encode("latin-1"),
        "utf_16": lambda: text.encode("utf-16"),
        "comments": lambda: text.replace("\n1000;", "\n# a;\n1000;").replace("id;", "# c\nid;").encode(),
    }[kind]()
    home.write("in/a.csv", encoded)
    run = home.load("in", "--table", TABLE, "--threads", "2")
    rows = count + (kind == "latin_1_late")
    assert (run["metrics"]["records_written"], run["metrics"]["rows_rescued"]) == (rows, 0)
    found = home.lake.table(TABLE).scan(selected_fields=("id", "name")).to_arrow()
    assert sorted(found["id"].to_pylist()) == list(range(rows))
    assert found["name"].value_counts().to_pylist().__len__() == 7 + (kind == "latin_1_late")
