"""The real servers of the tests, as native processes on loopback: what they are called, how they start, where they are.

Each start_* returns an address object; all are ready when it returns. The names and secrets are those of docker-compose.test.yml.
"""

import json
import os
import pwd
import secrets
import signal
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from server_process import Server, answers, listens, start_on_free_ports

ROOT = Path(__file__).resolve().parents[1]
ACCESS_KEY = SECRET_KEY = "minioadmin"
REGION = "us-east-1"
JARS = ROOT / ".cache/jars"
REST_CATALOG_JARS = ROOT / ".cache/rest-catalog"
MINIO = ROOT / ".cache/minio/minio"
SEAWEEDFS_TABLE_BUCKET = "icetables"
JAVA_SHORT_RUNS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # short work: the quick compiler, a collector without threads of its own


@dataclass(frozen=True)
class S3:
    """An S3 server. `catalog_uri`: the Iceberg REST catalog that SeaweedFS brings along (OAuth2, a prefix, no list of endpoints)."""

    endpoint: str
    bucket: str
    process: Server = None
    catalog_uri: str = None
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = REGION

    @cached_property
    def client(self):
        """A boto3 client; only of this server, whatever AWS_* says. Making one costs more than a request."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            region_name=self.region, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )  # fmt: skip

    @property
    def properties(self):
        """Iceberg's names for where it is and who we are; PyIceberg, Spark and sluice.yaml know them."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": self.access_key,
            "s3.secret-access-key": self.secret_key,
            "s3.region": self.region,
            "s3.path-style-access": "true",
        }

    @property
    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": self.region, "AWS_EC2_METADATA_DISABLED": "true"}

    def make_bucket(self, name):
        from botocore.exceptions import ClientError

        try:
            self.client.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        return name


@dataclass(frozen=True)
class Postgres:
    """One database of a PostgreSQL server."""

    host: str
    port: int
    user: str
    password: str
    database: str
    process: Server = None

    @property
    def uri(self):
        return f"postgresql://{self.user}:{quote(self.password, safe='')}@{self.host}:{self.port}/{self.database}"

    @property
    def jdbc_uri(self):
        return f"jdbc:postgresql://{self.host}:{self.port}/{self.database}"

    def connect(self):
        """A psycopg2 connection in autocommit mode."""
        import psycopg2

        connection = psycopg2.connect(self.uri)
        connection.autocommit = True
        return connection

    def query(self, statement, *parameters):
        """The rows as dicts."""
        from psycopg2.extras import RealDictCursor

        connection = self.connect()
        try:
            with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                cursor.execute(statement, parameters or None)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def make_database(self, name):
        """An empty database beside this one. It sorts like a language, not like bytes, so that whoever relies on order must ask for it."""
        self.query(f"create database {name} template template0 locale_provider icu icu_locale 'en-US' locale 'C.UTF-8' encoding 'UTF8'")
        return Postgres(self.host, self.port, self.user, self.password, name, self.process)


@dataclass(frozen=True)
class RestCatalog:
    """An Iceberg REST catalog; `warehouse` is where it puts tables that do not say where they want to be."""

    uri: str
    warehouse: str
    process: Server = None


def start_s3(host, buckets=("lakehouse",), port=None):
    """SeaweedFS, or MinIO with S3_SERVER=minio, with these buckets."""
    start = {"seaweedfs": start_seaweedfs, "minio": start_minio}[os.environ.get("S3_SERVER") or "seaweedfs"]
    s3 = start(host, port)
    for bucket in buckets:
        s3.make_bucket(bucket)
    return S3(s3.endpoint, buckets[0], s3.process, s3.catalog_uri)


def start_seaweedfs(host, port=None):
    data = host.data("s3")
    identity = {"name": "tests", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    (data / "identities.json").write_text(json.dumps({"identities": [identity]}))

    def start(*ports):
        # On a fixed port all are fixed, so that a second call finds the server of the first.
        s3, catalog, *others = range(port, port + len(ports)) if port else ports
        names = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
        command = [
            Path(sys.executable).parent / "weed", "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={s3}",
            f"-s3.port.iceberg={catalog}", "-s3.port.lance=0", *(f"-{name}={number}" for name, number in zip(names, others, strict=True)),
            f"-filer.localSocket={data}/filer.sock", f"-s3.localSocket={data}/s3.sock", "-webdav=false", "-admin.ui=false",
            "-master.telemetry=false", f"-s3.config={data}/identities.json", "-bucket=warehouse", f"-tableBucket={SEAWEEDFS_TABLE_BUCKET}",
        ]  # fmt: skip
        endpoint = f"http://127.0.0.1:{s3}"
        # SIGTERM takes it 12 s; it writes as it goes.
        process = host.start("s3", command, lambda: lists_buckets(endpoint, "warehouse") and listens(catalog), stop_signal=signal.SIGKILL)
        return S3(endpoint, "warehouse", process, f"http://127.0.0.1:{catalog}")

    return start_on_free_ports(9, start)


def start_minio(host, port=None):
    assert MINIO.is_file(), f"{MINIO} is not there: run `S3_SERVER=minio scripts/setup test`"

    def start(s3):
        s3 = port or s3
        endpoint = f"http://127.0.0.1:{s3}"
        command = [MINIO, "server", host.data("s3"), "--address", f"127.0.0.1:{s3}", "--quiet"]
        environment = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
        return S3(endpoint, "warehouse", host.start("s3", command, lambda: lists_buckets(endpoint), environment=environment))

    return start_on_free_ports(1, start)


def start_moto(host):
    """moto: lists in byte order and keeps every key as it is (`//`, backslash, `a` beside `a/b`), which SeaweedFS does not."""

    def start(port):
        endpoint = f"http://127.0.0.1:{port}"
        command = [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", port]
        process = host.start("moto", command, lambda: lists_buckets(endpoint))
        return S3(endpoint, "moto", process)

    s3 = start_on_free_ports(1, start)
    s3.make_bucket(s3.bucket)
    return s3


def lists_buckets(endpoint, wanted=None):
    from botocore.exceptions import BotoCoreError, ClientError

    if not answers(endpoint, statuses=range(200, 500)):
        return False
    try:
        buckets = [bucket["Name"] for bucket in S3(endpoint, "").client.list_buckets()["Buckets"]]
    except (BotoCoreError, ClientError):
        return False
    return wanted is None or wanted in buckets


def start_postgres(host, port=None, user="sluice", password=None, database="sluice", sign_in="scram-sha-256"):
    """PostgreSQL 15. It refuses to run as root: then it runs as user postgres. Nothing is synced to the disk: no test pulls the plug.
    With scram-sha-256 a connection costs CPU that it does not with md5, and tests make thousands."""
    programs = Path("/usr/lib/postgresql/15/bin")
    assert programs.is_dir(), f"{programs} is not there: run `make setup`"
    runs_as = "postgres" if os.geteuid() == 0 else None
    data = host.data("postgres")
    password_file = data / "password"
    if not (data / "cluster/PG_VERSION").is_file():
        password_file.write_text(password or secrets.token_urlsafe(12))
        if runs_as:
            for path in (data, password_file):
                os.chown(path, pwd.getpwnam(runs_as).pw_uid, pwd.getpwnam(runs_as).pw_gid)
        data.chmod(0o700)
        make = [programs / "initdb", "-D", data / "cluster", "-U", user, f"--pwfile={password_file}", f"--auth={sign_in}", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        host.run("initdb", make, user=runs_as)
    password = password_file.read_text()
    settings = {
        "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "timezone": "Asia/Kolkata", "log_timezone": "UTC",
        "max_connections": 200, "shared_buffers": "64MB", "max_wal_size": "256MB", "log_line_prefix": "%m [%p] ", "log_statement": os.environ.get("POSTGRES_LOG", "none"),
    }  # fmt: skip

    def start(number):
        number = port or number
        command = [programs / "postgres", "-D", data / "cluster", "-p", number]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        first = Postgres("127.0.0.1", number, user, password, "postgres")
        # SIGINT: ends every connection and takes its shared memory along.
        process = host.start("postgres", command, lambda: accepts(first), user=runs_as, stop_signal=signal.SIGINT)
        return Postgres("127.0.0.1", number, user, password, "postgres", process)

    server = start_on_free_ports(1, start)
    if server.query("select 1 from pg_database where datname = %s", database):
        return Postgres(server.host, server.port, user, password, database, server.process)
    return server.make_database(database)


def accepts(postgres):
    import psycopg2

    if not listens(postgres.port):
        return False
    try:
        postgres.connect().close()
        return True
    except psycopg2.OperationalError:
        return False


def rest_catalog_environment(properties):
    """Its way to spell a property in the environment: `a-b.c` is CATALOG_A__B_C."""
    return {"CATALOG_" + name.replace("-", "__").replace(".", "_").upper(): value for name, value in properties.items()}


def start_rest_catalog(host, s3, warehouse, port=None):
    """Apache Iceberg's own RESTCatalogServer. Its tables lie on `s3` or, where their location says so, in local files."""
    jars = [*REST_CATALOG_JARS.glob("*.jar"), *JARS.glob("sqlite-jdbc-*.jar")]
    assert len(jars) > 1, f"{REST_CATALOG_JARS} is empty: run `make setup`"
    properties = {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "uri": f"jdbc:sqlite:{host.data('rest-catalog')}/catalog.db",
        "jdbc.schema-version": "V1",
        "warehouse": warehouse,
        "io-impl": "org.apache.iceberg.io.ResolvingFileIO",
        "client.region": s3.region,
        **{name: value for name, value in s3.properties.items() if name != "s3.region"},
    }
    environment = rest_catalog_environment(properties)

    def start(number):
        number = port or number
        uri = f"http://127.0.0.1:{number}"
        command = ["java", "-Xmx256m", *JAVA_SHORT_RUNS, "-cp", ":".join(map(str, jars)), "org.apache.iceberg.rest.RESTCatalogServer"]
        process = host.start("rest-catalog", command, lambda: answers(f"{uri}/v1/config"), environment={**environment, "CATALOG_REST_PORT": str(number)})
        return RestCatalog(uri, warehouse, process)

    return start_on_free_ports(1, start)


SPARK_SETTINGS = {
    "spark.driver.extraJavaOptions": " ".join(JAVA_SHORT_RUNS),
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    # A few rows per question: to compile code for each, and to plan again on the way, takes longer than the answer.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}


def spark_jars():
    jars = sorted(str(jar) for jar in JARS.glob("*.jar"))
    assert jars, "no Spark jars: run `make setup`"
    return jars


def start_spark_connect(host, port, settings=None):
    """A Spark Connect server of its own, for `make setup-test`; test runs use the one inside judges.spark_process()."""
    import pyspark

    home = Path(pyspark.__file__).parent
    jars = ":".join(spark_jars())
    conf = {
        **SPARK_SETTINGS, "spark.driver.extraClassPath": jars, "spark.driver.memory": "900m", "spark.master": "local[2]",
        "spark.connect.grpc.binding.port": str(port), "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.sql.warehouse.dir": str(host.data("spark")), **(settings or {}),
    }  # fmt: skip
    command = [home / "bin/spark-submit", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", *(word for name, value in conf.items() for word in ("--conf", f"{name}={value}")), "spark-internal"]
    environment = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
    host.start("spark-connect", command, lambda: listens(port), environment=environment, stop_signal=signal.SIGTERM)
    return f"sc://127.0.0.1:{port}"
