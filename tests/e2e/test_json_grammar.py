"""JSON by RFC 8259: what must be accepted, with its value, and what must be refused. Each case is a file of its own in one load."""

import json

TABLE = "bronze.json"

# Values as written in {"v": ...}: numbers come out as their text, strings unescaped.
NUMBERS = [
    "0", "-0", "-1", "0.0", "-0.0", "1e1", "1E1", "1e+1", "1E-1", "0e0", "0E+1", "1.5e-3", "123456789012345678901234567890", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1.7976931348623157e308", "5e-324", "1e400", "-1e-400",
    "0.1000000000000000055511151231257827", "1" * 400, "0." + "1" * 400,
]  # fmt: skip
STRINGS = [
    '""', '" "', '"\\""', '"\\\\"', '"\\/"', '"/"', '"\\b\\f\\n\\r\\t"', '"\\u0041"', '"\\u00e9\\u20AC"', '"\\uD83D\\uDE42"', '"\\ud83d\\ude42"', '"🙂é€"',
    '"\\u0000"', '"\\u001f"', '"\u007f"', '"\u2028\u2029"', '"\ufeff"', '"\uffff"', '"\\uFFFF"', '"\\uDBFF\\uDFFF"', '"[1, {\\"a\\": 2}]"', '"\\\\u0041"',
]  # fmt: skip
OTHERS = {"true": "true", "false": "false", "null": None}

ACCEPTED_DOCUMENTS = {
    "white_space": b' \t\r\n{ "v" :\t"x"\r\n}\n ',
    "byte_order_mark": b'\xef\xbb\xbf{"v": "x"}',
    "array": b'[ {"v": "x"} , {"v": "x"} ]',
    "empty_array": b"[]",
    "empty_object": b"{}",
    "deep": b'{"deep": ' + b"[" * 62 + b"]" * 62 + b', "v": "x"}',
    "deep_objects": b'{"a":' * 60 + b"1" + b"}" * 60,
    "empty_name": b'{"": 1, "v": "x"}',
    "escaped_name": b'{"\\u0076": "x"}',
    "long_string": b'{"v": "' + b"x" * 100_000 + b'"}',
}

REJECTED_VALUES = [
    "01", "-01", "00", "+1", "1.", ".5", "-.5", "-", "--1", "1e", "1e+", "1E-", "1e1.5", "1.5.5", "0x1", "1_000", "1,5", "NaN", "Infinity", "-Infinity",
    "nan", "inf", "True", "FALSE", "nul", "nulll", "tru", "undefined", "'x'", '"x', 'x"', '"\\x41"', '"\\a"', '"\\u12"', '"\\u12G4"', '"\\U0041"', '"\\',
    '"\t"', '"\n"', '"\x00"', '"\x1f"', '"\\uD800"', '"\\uD800x"', '"\\uDC00"', '"\\uD800\\uD800"', '"\\uDE42\\uD83D"', "[1,]", "[,1]", "[1 2]", "[1,,2]",
    "[1", "[1}", "]", '{"a":1,}', '{"a" 1}', '{"a"}', '{"a":}', "{a:1}", '{1:1}', '{"a":1 "b":2}', '{"a":1]', "{", '"a" "b"', "1 2", "// c\n1", "/* c */ 1",
    "# c\n1", "\v1", "\f1", "\xa01", "\ufeff1", "", ",", ":",
]  # fmt: skip
REJECTED_BYTES = [
    b'"\xff"', b'"\xc0\x80"', b'"\xc1\xbf"', b'"\xe0\x80\x80"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"',
    b'"\xe2\x82"', b'"\x80"', b'"a\xbf"', b"\xe9", b'"x"\x00',
]  # fmt: skip
REJECTED_DOCUMENTS = {
    "too_deep": b'{"deep": ' + b"[" * 64 + b"]" * 64 + b"}",
    "too_deep_objects": b'{"a":' * 66 + b"1" + b"}" * 66,
    "scalar": b"1",
    "string": b'"x"',
    "array_of_scalars": b"[1, 2]",
    "array_that_ends": b'[{"v": "x"}',
    "array_with_comma": b'[{"v": "x"},]',
    "two_arrays_cut": b'[{"v": "x"}]]',
    "garbage": b'{"v": "x"} x',
    "utf16": '{"v": "x"}'.encode("utf-16"),
    "half": b'{"v"',
}


def write_contract(home):
    home.write("contract.yaml", json.dumps({"columns": [{"name": "n", "type": "string"}, {"name": "v", "type": "string"}]}))


# Prevents a number's digits, an escape or a surrogate pair from being changed on its way.
def test_accepted_values_come_out_as_written(home):
    write_contract(home)
    expected = {}
    for number, text in enumerate([*NUMBERS, *STRINGS, *OTHERS]):
        home.write(f"in/{number:03}.json", f'{{"n": "{number:03}", "v": {text}}}\n'.encode())
        expected[f"{number:03}"] = text if text in NUMBERS else OTHERS[text] if text in OTHERS else json.loads(text)
    run = home.load("in", "--table", TABLE, "--contract", "contract.yaml")
    assert run["metrics"]["files_failed"] == 0 and run["metrics"]["rows_rescued"] == 0
    rows = home.lake.table(TABLE).scan().to_arrow().to_pylist()
    assert {row["n"]: row["v"] for row in rows} == expected


# Prevents documents from being refused for their white space, their depth or their names.
def test_accepted_documents(home):
    for name, content in ACCEPTED_DOCUMENTS.items():
        home.write(f"in/{name}.json", content)
    run = home.load("in", "--table", TABLE)
    assert run["metrics"]["files_failed"] == 0


# Prevents text that is no JSON from being loaded as something that its writer did not mean.
def test_rejected_texts(home):
    cases = {f"value_{number:03}": b'{"v": ' + text.encode() + b"}\n" for number, text in enumerate(REJECTED_VALUES)}
    cases |= {f"bytes_{number:03}": b'{"v": ' + text + b"}\n" for number, text in enumerate(REJECTED_BYTES)}
    cases |= REJECTED_DOCUMENTS
    for name, content in cases.items():
        home.write(f"in/{name}.json", content)
    home.write("in/good.json", b'{"v": "x"}\n')
    home.load("in", "--table", TABLE, code=3)
    loaded = home.ledger("select file_path from processed_files where status = 'SUCCESS'")
    accepted = [row["file_path"].rsplit("/", 1)[1].removesuffix(".json") for row in loaded]
    assert {name: cases[name] for name in accepted if name != "good"} == {}
    failed = home.ledger("select file_path, error_type, error_message from processed_files where status = 'FAILED'")
    assert len(failed) == len(cases)
    for file in failed:
        assert file["error_type"] in ("ParseError", "TooLarge") and "byte" in file["error_message"], file


# Prevents the second of two equal keys from replacing the first, or from vanishing.
def test_a_key_twice_stays_and_is_rescued(home):
    write_contract(home)
    home.write("in/a.json", b'{"n": "1", "v": "first", "v": "second"}\n')
    run = home.load("in", "--table", TABLE, "--contract", "contract.yaml")
    assert run["metrics"]["rows_rescued"] == 1
    (row,) = home.lake.table(TABLE).scan().to_arrow().to_pylist()
    assert row["v"] == "first" and json.loads(row["_rescued_data"]) == {"v": "second"}
