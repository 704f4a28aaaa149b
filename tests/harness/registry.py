"""A double of Confluent's schema registry on loopback, for clients that speak its real REST API."""
import contextlib
import http.server
import json
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Callable
from typing import ClassVar


class Registry(http.server.BaseHTTPRequestHandler):
    """Speaks as much of the registry's REST API as clients use. Schemas have numbers; subjects have versions."""

    protocol_version = "HTTP/1.1"
    schemas: ClassVar[list[str]] = []
    subjects: ClassVar[dict[str, list[int]]] = {}
    refuse: ClassVar[tuple[int, str] | None] = None
    refuse_subjects: ClassVar[dict[str, tuple[int, str]]] = {}
    before: ClassVar[Callable[[str], None] | None] = None   # called with a subject that is not known yet
    login: ClassVar[str | None] = None

    def log_message(self, *words):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = [urllib.parse.unquote(word) for word in self.path.partition("?")[0].strip("/").split("/")]
        if self.login and self.headers.get("Authorization") != self.login:
            return self.answer(401, {"error_code": 401, "message": "Unauthorized"})
        refuse = self.refuse or self.refuse_subjects.get(words[1])
        if refuse:
            return self.answer(refuse[0], {"error_code": refuse[0], "message": refuse[1]})
        if words[0] != "subjects" or (words[2:] and words[2] != "versions"):
            return self.answer(404, {"error_code": 404, "message": "HTTP 404 Not Found"})
        if Registry.before and words[1] not in self.subjects:
            Registry.before(words[1])
        schema = json.dumps(json.loads(body["schema"]), sort_keys=True)
        if schema not in self.schemas:
            self.schemas.append(schema)
        number = self.schemas.index(schema) + 1
        if number not in self.subjects.setdefault(words[1], []):
            self.subjects[words[1]].append(number)
        return self.answer(200, {"id": number})

    def do_GET(self):
        words = self.path.partition("?")[0].strip("/").split("/")
        if words[:2] == ["schemas", "ids"] and 0 < int(words[2]) <= len(self.schemas):
            return self.answer(200, {"schema": self.schemas[int(words[2]) - 1]})
        return self.answer(404, {"error_code": 40403, "message": "Schema not found"})


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that go away are what some tests are about."""


@contextlib.contextmanager
def running_registry(certificate=None, port=0):
    """Its URL. It knows one schema, number 1, so ours is 2. `certificate`: of make_certificates, for https."""
    Registry.schemas, Registry.subjects, Registry.refuse, Registry.login = ['"string"'], {}, None, None
    Registry.refuse_subjects, Registry.before = {}, None
    server = Server(("127.0.0.1", port), Registry)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def make_certificates(folder, names):
    """Two authorities, ca.pem and other-ca.pem, and server.pem, signed by the first for these names ("IP:127.0.0.1", "DNS:host")."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "rsa:2048", "-nodes"]
    for name in ("ca", "other-ca"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN=registry {name}")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=registry")
    (folder / "names").write_text(f"subjectAltName={','.join(names)}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
            "-out", "server.crt")
    (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    return folder
