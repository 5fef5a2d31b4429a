"""All of the platform at once: S3, PostgreSQL as the ledger, a catalog `test_catalog`, Spark, and `sluice serve`."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from lakes import PostgresLake, RestLake
from servers import S3, Postgres, RestCatalog
from service import Api

CATALOG = "test_catalog"


@dataclass
class Stack:
    """`lake` is the catalog as the judges see it; `connect_uri` is where Spark Connect answers."""

    s3: S3
    postgres: Postgres
    lake: PostgresLake | RestLake
    api: Api
    connect_uri: str

    def spark(self):
        """A new Spark Connect session that knows the catalog; stop() it."""
        from pyspark.sql.connect.session import SparkSession

        return self.lake.teach(SparkSession.builder.remote(self.connect_uri).create())

    def put(self, bucket, name, content):
        self.s3.client.put_object(Bucket=bucket, Key=name, Body=content if isinstance(content, bytes) else content.encode())

    def put_rows(self, bucket, name, rows):
        self.put(bucket, name, "".join(json.dumps(row) + "\n" for row in rows))

    def definition(self, bucket, table, **more):
        """The body of POST /ingestions for `data-*.json` at the top of a bucket."""
        source = {
            "bucket": bucket, "path": "", "file_pattern": "data-*.json", "access_key": self.s3.access_key,
            "secret_key": self.s3.secret_key, "endpoint": self.s3.endpoint, **more.pop("source_config", {}),
        }  # fmt: skip
        body = {
            "name": "end to end", "source_type": "S3", "source_config": source, "format_type": "JSON", "schedule": None,
            "destination_config": {"catalog": CATALOG, "database": "test_db", "table": table},
            "tenant_id": f"tenant-{uuid.uuid4().hex[:8]}", "cluster_id": "cluster-1",
        }  # fmt: skip
        return {**body, **more}


def lake_of(kind, s3, postgres, rest_catalog):
    if kind == "rest":
        return RestLake(rest_catalog, s3, CATALOG)
    return PostgresLake(postgres, s3, f"s3://{s3.bucket}/warehouse", CATALOG)


def settings_of(kind, s3, postgres, rest_catalog):
    """sluice.yaml for such a stack; secrets come from the environment (environment_of)."""
    store = {**s3.properties, "s3.secret-access-key": "${env:TEST_S3_SECRET}"}
    postgres_uri = f"postgresql://{postgres.user}:${{env:TEST_POSTGRES_PASSWORD}}@{postgres.host}:{postgres.port}/{postgres.database}"
    catalogs = {
        "sql": {"type": "sql", "uri": postgres_uri, "warehouse": f"s3://{s3.bucket}/warehouse", **store},
        "rest": {"type": "rest", "uri": rest_catalog.uri, "warehouse": rest_catalog.warehouse, **store},
    }
    return {"ledger": postgres_uri, "catalogs": {CATALOG: catalogs[kind]}}


def environment_of(s3, postgres):
    return {"TEST_S3_SECRET": s3.secret_key, "TEST_POSTGRES_PASSWORD": postgres.password}


def described(folder):
    """(kind, stack) of an environment that `make setup-test` started, from its environment.json."""
    told = json.loads((Path(folder) / "environment.json").read_text())
    s3, postgres, rest_catalog = S3(**told["s3"]), Postgres(**told["postgres"]), RestCatalog(**told["rest_catalog"])
    kind = told["catalog"]
    return kind, Stack(s3, postgres, lake_of(kind, s3, postgres, rest_catalog), Api(told["service"]), told["spark_connect"])
