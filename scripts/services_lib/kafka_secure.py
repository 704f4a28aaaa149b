"""A Kafka broker whose clients come over TLS and log in: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, with rights by ACL.

Its certificate is signed by an authority made here (TAILRACE_<NAME>_CA). `alice` (password alice-secret) may do everything,
`bob` (bob-secret) logs in and may do nothing; the plain listener (TAILRACE_<NAME>_PLAIN) is for looking at topics.
"""
import shutil

from .folder import Unavailable, run_step
from .kafka import Kafka

USERS = {"alice": "alice-secret", "bob": "bob-secret"}


class KafkaSecure(Kafka):
    kind = "kafka_secure"
    port_count = 3

    def prepare(self):
        super().prepare()
        if not shutil.which("openssl"):
            raise Unavailable("program 'openssl' not found")
        folder = self.dir / "tls"
        if (folder / "server.pem").exists():
            return
        folder.mkdir(exist_ok=True)
        key = ["-newkey", "rsa:2048", "-nodes"]

        def openssl(*words):
            return run_step(["openssl", *words], "a certificate cannot be made", cwd=folder)

        for name in ("ca", "other-ca"):
            openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "3650", "-subj", f"/CN=tailrace {name}")
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650", "-extfile", "names",
                "-out", "server.crt")
        (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())

    def configure(self, ports, options):
        plain, _, secure = (f"127.0.0.1:{port}" for port in ports)
        listener = "listener.name.secure"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
        super().configure(ports[:2], {
            "listeners": f"PLAINTEXT://{plain},SECURE://{secure},CONTROLLER://127.0.0.1:{ports[1]}",
            "advertised.listeners": f"PLAINTEXT://{plain},SECURE://{secure}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            f"{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{listener}.plain.sasl.jaas.config": f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};",
            f"{listener}.scram-sha-256.sasl.jaas.config": scram,
            f"{listener}.scram-sha-512.sasl.jaas.config": scram,
            f"{listener}.ssl.keystore.type": "PEM",
            f"{listener}.ssl.keystore.location": self.dir / "tls" / "server.pem",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:alice",
        } | options)

    def format_options(self):
        return [f"--add-scram={mechanism}=[name={name},password={password}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                for name, password in USERS.items()]

    def address(self):
        return f"127.0.0.1:{self.port(2)}"

    def variables(self):
        return {self.prefix(): self.address(), f"{self.prefix()}_PLAIN": f"127.0.0.1:{self.port()}",
                f"{self.prefix()}_CA": self.dir / "tls" / "ca.pem", f"{self.prefix()}_OTHER_CA": self.dir / "tls" / "other-ca.pem"}
