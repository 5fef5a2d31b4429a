"""TLS to S3 and to a REST catalog: a front of ours, with certificates made here, before real servers that speak plain HTTP."""

import contextlib
import datetime
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from program import numbered
from test_s3 import Bucket

REFUSED = "the server's certificate was not accepted"
CHUNK = 64 * 1024


class Authority:
    """A CA whose certificate is in `file`, and certificates that it signs."""

    def __init__(self, folder, name):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._signed(self.subject, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(self, subject, public_key, *extensions):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self.subject, subject, public_key, x509.random_serial_number(), now - datetime.timedelta(1), now + datetime.timedelta(1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    def server_context(self, host):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        certificate = self._signed(name, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(host)]))
        path = self.folder / f"{host}.pem"
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class TlsFront:
    """Ends TLS on a free loopback port and passes the bytes on to a plain server."""

    def __init__(self, context, upstream):
        self.context, self.upstream = context, upstream
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client, self.context.wrap_socket(client, server_side=True) as tls, socket.create_connection(self.upstream) as plain:
            back = threading.Thread(target=pass_on, args=(plain, tls), daemon=True)
            back.start()
            pass_on(tls, plain)
            back.join()

    def close(self):
        self.listener.close()


def pass_on(source, target):
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "ours")


@pytest.fixture
def front(authority):
    """Makes fronts for "localhost" and closes them all."""
    made = []

    def make(url):
        host, _, port = url.removeprefix("http://").partition(":")
        made.append(TlsFront(authority.server_context("localhost"), (host, int(port))))
        return made[-1]

    yield make
    for one in made:
        one.close()


def configure(home, bucket, endpoint, **properties):
    """An ingestion over a bucket at an https endpoint; the catalog's warehouse lies there, too."""
    store = {"s3.endpoint": endpoint, **properties}
    lines = [f'      {name}: "{value}"' for name, value in store.items()]
    catalog = [f'    {name}: "{value}"' for name, value in store.items()]
    home.write(
        "sluice.yaml",
        "\n".join(
            ["catalogs:", "  lake:", "    type: sql", "    uri: sqlite:.sluice/catalog.db", f"    warehouse: {bucket.uri('wh')}", *catalog]
            + ["ingestions:", "  orders:", "    table: lake.shop.orders", "    on_change: append", "    source:", f"      paths: ['{bucket.uri('in/*.json')}']", *lines]
        )
        + "\n",
    )


# Prevents: a certificate that nobody signed, or one of another host, being taken; a refusal that reads like a network failure; an option to
# trust a company's own CA that does nothing.
def test_s3_over_tls(home, s3_server, authority, front, tmp_path):
    bucket = Bucket(s3_server)
    bucket.put("in/a.json", numbered(3))
    port = front(s3_server.endpoint).port
    home.extra_environment = dict(s3_server.environment)

    configure(home, bucket, f"https://localhost:{port}")
    unknown = home.run("run", "orders", code=None)
    assert unknown.code == 1 and REFUSED in unknown.text, unknown
    configure(home, bucket, f"https://localhost:{port}", **{"s3.ca-file": str(Authority(tmp_path, "other").file)})
    assert REFUSED in home.run("run", "orders", code=1).text
    configure(home, bucket, f"https://127.0.0.1:{port}", **{"s3.ca-file": str(authority.file)})
    another_host = home.run("run", "orders", code=1)
    assert REFUSED in another_host.text and "127.0.0.1" in another_host.text, another_host
    assert home.ledger("select * from processed_files") == []
    configure(home, bucket, f"https://localhost:{port}", **{"s3.ca-file": str(tmp_path / "missing.pem")})
    assert "missing.pem cannot be read" in home.run("run", "orders", code=None).text

    configure(home, bucket, f"https://localhost:{port}", **{"s3.ca-file": str(authority.file)})
    assert home.run("run", "orders", "--json").json["metrics"]["records_written"] == 3
    bucket.put("in/b.json", numbered(2, 4))
    configure(home, bucket, f"https://localhost:{port}")
    home.extra_environment["AWS_CA_BUNDLE"] = str(authority.file)
    assert home.run("run", "orders", "--json").json["metrics"]["records_written"] == 2


# Prevents: a catalog whose certificate is not looked at: whoever answers in its place would be handed its token.
def test_a_rest_catalog_over_tls(home, rest_catalog, s3_server, authority, front, tmp_path):
    port = front(rest_catalog.uri).port
    home.write_rows("in/a.json", numbered(3))
    store = "".join(f'    {name}: "{value}"\n' for name, value in s3_server.properties.items())

    def run(host, ca_file, code):
        trusted = f'    ssl.cabundle: "{ca_file}"\n' if ca_file else ""
        server = f'    type: rest\n    uri: "https://{host}:{port}"\n    warehouse: "{rest_catalog.warehouse}"\n    token: tok-0123456789\n'
        ingestion = f"  orders: {{source: {{paths: [in]}}, table: lake.tls_{port}.orders, on_change: append}}\n"
        home.write("sluice.yaml", f"catalogs:\n  lake:\n{server}{trusted}{store}ingestions:\n{ingestion}")
        return home.run("run", "orders", "--json", code=code)

    for host, ca_file in (("localhost", None), ("localhost", Authority(tmp_path, "other").file), ("127.0.0.1", authority.file)):
        refused = run(host, ca_file, 1)
        assert REFUSED in refused.text and "tok-0123456789" not in refused.text, refused
    assert run("localhost", authority.file, 0).json["metrics"]["records_written"] == 3
