"""A double of Confluent's schema registry on loopback, for clients that speak its real REST API."""
import contextlib
import http.server
import json
import threading
import urllib.parse
from typing import ClassVar


class Registry(http.server.BaseHTTPRequestHandler):
    """Speaks as much of the registry's REST API as clients use. Schemas have numbers; subjects have versions."""

    protocol_version = "HTTP/1.1"
    schemas: ClassVar[list[str]] = []
    subjects: ClassVar[dict[str, list[int]]] = {}
    refuse: ClassVar[tuple[int, str] | None] = None
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
        if self.refuse:
            return self.answer(self.refuse[0], {"error_code": self.refuse[0], "message": self.refuse[1]})
        if words[0] != "subjects" or (words[2:] and words[2] != "versions"):
            return self.answer(404, {"error_code": 404, "message": "HTTP 404 Not Found"})
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


@contextlib.contextmanager
def running_registry():
    """Its URL. It knows one schema, number 1, so ours is 2."""
    Registry.schemas, Registry.subjects, Registry.refuse, Registry.login = ['"string"'], {}, None, None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
