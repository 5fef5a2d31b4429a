"""Catalogs on servers with their warehouse on S3, as the judges see them."""

from functools import cached_property

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog

from judges import CATALOG_NAME, Lake, duckdb_process

SPARK_S3_NAMES = {"s3.region": "client.region"}


class ServerLake(Lake):
    """What they share: the warehouse is a URI on an S3 server."""

    def __init__(self, s3, warehouse, name=CATALOG_NAME):
        self.s3, self.warehouse, self.name = s3, warehouse, name

    @property
    def spark_storage(self):
        renamed = {SPARK_S3_NAMES.get(name, name): value for name, value in self.s3.properties.items()}
        return {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "warehouse": self.warehouse, **renamed}

    def duckdb_path(self, location):
        host = self.s3.endpoint.removeprefix("http://")
        duckdb_process().execute(
            f"create or replace secret lake (type s3, key_id '{self.s3.access_key}', secret '{self.s3.secret_key}', region '{self.s3.region}', "
            f"endpoint '{host}', url_style 'path', use_ssl false)"
        )
        return location


class SqliteLake(ServerLake):
    """Iceberg's SQL catalog in a SQLite file, its warehouse on S3."""

    def __init__(self, catalog_file, s3, warehouse, name=CATALOG_NAME):
        super().__init__(s3, warehouse, name)
        self.catalog_file = catalog_file

    @property
    def pyiceberg(self):
        return SqlCatalog(self.name, uri=f"sqlite:///{self.catalog_file}", warehouse=self.warehouse, **self.s3.properties)

    @property
    def spark_settings(self):
        return {"type": "jdbc", "uri": f"jdbc:sqlite:{self.catalog_file}", "jdbc.schema-version": "V1", **self.spark_storage}


class PostgresLake(ServerLake):
    """Iceberg's SQL catalog in a PostgreSQL database, as PyIceberg and Spark's JDBC catalog share it."""

    def __init__(self, postgres, s3, warehouse, name=CATALOG_NAME):
        super().__init__(s3, warehouse, name)
        self.postgres = postgres

    @cached_property
    def pyiceberg(self):
        """Keeps its connection, which costs more than a question; the server may restart meanwhile."""
        uri = self.postgres.uri.replace("postgresql://", "postgresql+psycopg2://", 1)
        return SqlCatalog(self.name, uri=uri, pool_pre_ping="true", warehouse=self.warehouse, **self.s3.properties)

    @property
    def spark_settings(self):
        account = {"jdbc.user": self.postgres.user, "jdbc.password": self.postgres.password, "jdbc.schema-version": "V1"}
        return {"type": "jdbc", "uri": self.postgres.jdbc_uri, **account, **self.spark_storage}


class RestLake(ServerLake):
    """A REST catalog."""

    def __init__(self, catalog, s3, name=CATALOG_NAME):
        super().__init__(s3, catalog.warehouse, name)
        self.catalog = catalog

    @property
    def pyiceberg(self):
        return RestCatalog(self.name, uri=self.catalog.uri, warehouse=self.warehouse, **self.s3.properties)

    @property
    def spark_settings(self):
        return {"type": "rest", "uri": self.catalog.uri, **self.spark_storage}


def unreferenced(lake, name):
    """Objects below the table's location that no snapshot and no metadata file of it names. Metadata files that its log was trimmed of
    (write.metadata.previous-versions-max) stay, as in every Iceberg table: those from before the log's oldest one are left out."""
    table = lake.table(name)
    named = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    oldest = min(map(metadata_version, named))
    for snapshot in table.metadata.snapshots:
        named.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            named.add(manifest.manifest_path)
            named.update(entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False))
    bucket, _, prefix = table.location().removeprefix("s3://").partition("/")
    pages = lake.s3.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/")
    there = {f"s3://{bucket}/{one['Key']}" for page in pages for one in page.get("Contents", [])}
    return sorted(one for one in there - named if not (one.endswith(".metadata.json") and metadata_version(one) < oldest))


def metadata_version(path):
    """.../metadata/00012-UUID.metadata.json: 12"""
    return int(path.rpartition("/")[2].partition("-")[0])
