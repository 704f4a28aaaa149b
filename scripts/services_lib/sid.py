"""Servers from Debian sid, unpacked beside the system and run by sid's own dynamic loader.

The packages come from the mirror that apt already uses, through a private apt state: nothing is
installed and the system's package lists stay untouched.
"""
import fcntl
import os
import re
import shutil
from pathlib import Path

from .folder import Unavailable, cache_dir, run_step
from .mysql_family import MysqlFamily

LOADER = "usr/lib64/ld-linux-x86-64.so.2"


def one_line_sources(text):
    """(options, uri, suite) of each `deb` line of a .list file."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            yield match[1] or "", match[2], match[3]


def deb822_sources(text):
    """(options, uri, suite) of each binary stanza of a .sources file."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = {}
        for line in stanza.splitlines():
            key, colon, value = line.partition(":")
            if colon and not line.startswith(("#", " ", "\t")):
                fields[key.strip().lower()] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") in ("no", "false"):
            continue
        options = [f"{key}={fields[key]}" for key in ("signed-by", "trusted") if fields.get(key)]
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield " ".join(options), uri, suite


def sid_source_line():
    """This machine's own Debian source with the suite replaced by sid."""
    apt = Path("/etc/apt")
    release = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
    if release.get("ID", "").strip('"') != "debian":
        raise Unavailable("it is taken from Debian's packages, and this system is not Debian")
    codename = release.get("VERSION_CODENAME", "").strip('"')
    found = []
    for file in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        if file.exists():
            found += one_line_sources(file.read_text())
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        found += deb822_sources(file.read_text())
    for options, uri, suite in found:
        if suite == codename and uri.rstrip("/").endswith("debian"):
            return f"deb {'[' + options + '] ' if options else ''}{uri} sid main\n"
    raise Unavailable(f"apt's configuration names no source for Debian {codename}")


def unpack_packages(home, packages, server):
    """Download the packages with all they depend on and unpack them under home/root, which then has `server`."""
    apt = home / "apt"
    for name in ("lists/partial", "archives/partial", "parts"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").write_text("")
    (apt / "sources.list").write_text(sid_source_line())
    options = {
        "Dir::Etc::SourceList": apt / "sources.list", "Dir::Etc::SourceParts": apt / "parts",
        "Dir::State": apt, "Dir::State::Lists": apt / "lists", "Dir::State::status": apt / "status",
        "Dir::Cache": apt, "Dir::Cache::Archives": apt / "archives",
        "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::PDiffs": "false",
        "Acquire::Retries": "2", "APT::Install-Recommends": "false", "APT::Keep-Downloaded-Packages": "true",
        "APT::Get::List-Cleanup": "true", "Debug::NoLocking": "true",
    }
    apt_get = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    run_step([*apt_get, "--error-on=any", "update"], "reading the package lists of Debian sid failed")
    run_step([*apt_get, "-y", "--download-only", "install", *packages], "downloading the packages failed")
    fresh = home / "root.new"
    shutil.rmtree(fresh, ignore_errors=True)
    # The usr-merge links of a real system: packages of sid ship no /lib or /lib64 of their own.
    for name in ("bin", "sbin", "lib", "lib64"):
        (fresh / "usr" / name).mkdir(parents=True, exist_ok=True)
        (fresh / name).symlink_to(f"usr/{name}")
    for package in sorted((apt / "archives").glob("*.deb")):
        run_step(["dpkg", "-x", package, fresh], f"unpacking {package.name} failed")
    if not (fresh / LOADER).exists() or not (fresh / server).exists():
        raise Unavailable(f"the packages of Debian sid hold no {server} and loader where they are expected")
    fresh.replace(home / "root")
    shutil.rmtree(apt, ignore_errors=True)


class SidServer(MysqlFamily):
    """A kind names its packages, its server and the client programs that tests may want."""
    packages = ()
    server = ""
    clients = ()

    def home(self):
        return cache_dir() / self.kind

    def root(self):
        return self.home() / "root"

    def program(self, path):
        root = self.root()
        return [root / LOADER, "--library-path", f"{root}/usr/lib/x86_64-linux-gnu", root / path]

    def unpack(self):
        home = self.home()
        home.mkdir(parents=True, exist_ok=True)
        with open(home / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / "root").is_dir():
                unpack_packages(home, self.packages, self.server)
            self.write_wrappers()

    def write_wrappers(self):
        """Client programs of this version under their own names, for tests that read through them."""
        folder = self.home() / "bin"
        folder.mkdir(exist_ok=True)
        for name in self.clients:
            if (self.root() / "usr/bin" / name).exists():
                words = " ".join(f"'{word}'" for word in self.program(f"usr/bin/{name}"))
                (folder / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
                os.chmod(folder / name, 0o755)

    def command(self):
        return [*self.program(self.server), f"--defaults-file={self.dir / 'server.cnf'}", *self.run_as()]

    def variables(self):
        return super().variables() | {f"{self.prefix()}_BIN": self.home() / "bin"}
