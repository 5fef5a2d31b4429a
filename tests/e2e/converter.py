"""The folder of the converter story: files of every kind people really have, and what each of them must read back as."""

import csv
import gzip
import io
import json
import random
import sqlite3
import tarfile
import urllib.parse
import uuid
import zipfile

import pyarrow.parquet as pq

BIG_BYTES = 50_000_000


class Sources:
    """Writes files below a folder and remembers, for each object that they must become, its rows; for each file that must fail, a word of
    its reason."""

    def __init__(self, folder):
        self.folder, self.objects, self.failures, self.empty, self.names = folder, {}, {}, [], []

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.names.append(name)

    def good(self, name, content, rows, key=None):
        self.write(name, content)
        self.objects[(key or name) + ".parquet"] = rows

    def bad(self, name, content, reason):
        self.write(name, content)
        self.failures[name] = reason

    def without_rows(self, name, content=b""):
        self.write(name, content)
        self.empty.append(name)


def rows_of(count, seed):
    dice = random.Random(seed)
    return [{"id": number, "name": f'{seed} "{number}", ü', "amount": dice.randrange(1_000_000) / 4} for number in range(count)]


def as_csv(rows, encoding="utf-8", **dialect):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n", **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def as_json(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet(rows):
    import pyarrow as pa

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def as_tar(files, compression):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_700_000_000
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def as_zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def as_dump(tables):
    """As SQLite writes it."""
    database = sqlite3.connect(":memory:")
    for table, rows in tables.items():
        database.execute(f"create table {table} (id integer primary key, name text, amount real)")
        database.executemany(f"insert into {table} values (:id, :name, :amount)", rows)
    return "\n".join(database.iterdump()).encode()


def big_csv():
    """50 MB: rows of a small alphabet are repeated, numbered anew."""
    dice = random.Random(50)
    texts = ["".join(dice.choices("abcdefghij ", k=60)) for _ in range(997)]
    rows, lines, size = [], ["id,text,part\n"], 0
    while size < BIG_BYTES:
        number = len(rows)
        rows.append({"id": number, "text": texts[number % 997], "part": number * 7 % 10_007})
        lines.append(",".join(map(str, rows[-1].values())) + "\n")
        size += len(lines[-1])
    return "".join(lines).encode(), rows


def make_sources(folder):
    sources = Sources(folder)
    plain = rows_of(500, 1)
    sources.good("orders.csv", as_csv(plain), plain)
    sources.good("events.json", as_json(plain), plain)
    sources.good("table.parquet", as_parquet(plain), plain)
    for number, name in enumerate(["with space/a b.csv", "quotes/it's \"quoted\".csv", "emoji/duck 🦆.json", "north/same.csv", "south/same.csv"], 2):
        rows = rows_of(200 + number, number)
        sources.good(name, as_csv(rows) if name.endswith("csv") else as_json(rows), rows)
    for number in range(10, 20):
        rows = rows_of(300, number)
        sources.good(f"many/{number}.json", as_json(rows), rows)
    wide = rows_of(400, 35)
    sources.good("utf-16.csv", as_csv(wide, "utf-16"), wide)
    lines = [f"line {number} of a note that somebody wrote down" for number in range(1, 200)]
    sources.good("notes.txt", "".join(line + "\n" for line in lines).encode(), [{"line_number": n, "value": line} for n, line in enumerate(lines, 1)])
    zipped = rows_of(1000, 30)
    sources.good("packed.csv.gz", gzip.compress(as_csv(zipped)), zipped)
    sources.good("packed.json.gz", gzip.compress(as_json(zipped)), zipped)
    content, rows = big_csv()
    sources.good("big.csv", content, rows)
    members = {f"in/{number}.{kind}": rows_of(100 + number, number) for number, kind in [(40, "csv"), (41, "json"), (42, "csv")]}
    packed = {name: as_csv(rows) if name.endswith("csv") else as_json(rows) for name, rows in members.items()}
    archives = {"packed/all.tar": as_tar(packed, ""), "packed/all.tar.gz": as_tar(packed, "gz"), "packed/all.zip": as_zip(packed)}
    for name, content in archives.items():
        sources.write(name, content)
        sources.objects |= {f"{name}/{member}.parquet": rows for member, rows in members.items()}
    tables = {"customers": rows_of(120, 60), "orders": rows_of(80, 61)}
    sources.write("shop.sql", as_dump(tables))
    sources.objects |= {f"shop.sql/{table}.parquet": rows for table, rows in tables.items()}
    sources.good("script.sql", b"SET x = 1;\nVACUUM;\n", [{"line_number": 1, "value": "SET x = 1"}, {"line_number": 2, "value": "VACUUM"}])
    sources.bad("packed/corrupt.zip", archives["packed/all.zip"][:-300], "it has no directory at its end")
    sources.without_rows("empty.csv")
    sources.without_rows("header only.csv", b"id,name\n")
    sources.bad("broken.json", b'{"id": 1}\n{"id": \n', "line 2")
    sources.bad("cut.csv.gz", gzip.compress(as_csv(zipped))[:-200], "gzip")
    return sources


def read_object(content):
    """Rows of an object, and the notes in its footer."""
    file = pq.ParquetFile(io.BytesIO(content))
    notes = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items() if key.startswith(b"sluice-")}
    return file.read().to_pylist(), notes


class Bucket:
    """A bucket that keeps every version of its objects."""

    def __init__(self, s3):
        self.s3, self.name = s3, s3.make_bucket(f"convert-{uuid.uuid4().hex[:8]}")
        s3.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def uri(self, prefix):
        return f"s3://{self.name}/{prefix}"

    def versions(self, prefix):
        """{key below the prefix: its versions}, deletions among them."""
        found = {}
        for page in self.s3.client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix + "/"):
            for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                found.setdefault(one["Key"].removeprefix(prefix + "/"), []).append(one["VersionId"])
        return found

    def read(self, prefix, key):
        """Rows, notes in the footer, and metadata."""
        answer = self.s3.client.get_object(Bucket=self.name, Key=f"{prefix}/{key}")
        rows, notes = read_object(answer["Body"].read())
        return rows, notes, answer["Metadata"]

    def unfinished(self):
        return self.s3.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])


def checked_inventory(seen):
    """What `status --inventory --json` said. At every moment the states add up to the lines."""
    states = [line["state"] for line in seen["inventory"]]
    assert seen["done"] + seen["failed"] + seen["skipped"] + seen["pending"] == seen["files"] == len(states), seen
    assert seen["in_progress"] <= seen["pending"]
    members = seen["members"]
    assert members["done"] + members["failed"] + members["skipped"] + members["pending"] == members["files"] == len(members["inventory"])
    for state in ("done", "failed", "skipped", "in_progress"):
        assert states.count(state) == seen[state], state
    return seen


def check_objects(sources, bucket, prefix, started_with):
    """Every good file is there, once and as it should be; no other object is."""
    versions = bucket.versions(prefix)
    assert sorted(versions) == sorted(sources.objects)
    assert {key: len(of_key) for key, of_key in versions.items()} == dict.fromkeys(versions, 1), "an object was written more than once"
    for key, before in started_with.items():
        assert versions[key] == before, key
    for key, rows in sources.objects.items():
        read, notes, metadata = bucket.read(prefix, key)
        assert read == rows, key
        assert notes["sluice-rows"] == metadata["sluice-rows"] == str(len(rows)), key
        assert notes["sluice-batch"] == metadata["sluice-batch"] and notes["sluice-version"] == metadata["sluice-version"], key
        assert notes["sluice-source"].startswith("file:///") and metadata["sluice-source"].startswith("file%3A") , key
        assert urllib.parse.unquote(metadata["sluice-source"]) == notes["sluice-source"], key


def done_files(seen, sources):
    """Keys of the objects of those lines that are done."""
    root = f"file://{sources.folder}/"
    lines = [*seen["inventory"], *seen["members"]["inventory"]]
    return {line["name"].removeprefix(root).replace("!/", "/") + ".parquet" for line in lines if line["state"] == "done" and line["rows"]}
