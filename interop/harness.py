"""What the interop tests share: a Posthorn server on a folder of its own, a next hop that does as it
is told, and the counting of results.

The binary is named by POSTHORN (else build/release/posthorn). Each Server has its own data folder and
ports that were free a moment ago; it is ready when its control socket answers, which it opens last.
Nothing waits for a fixed time: until() asks again until the answer is yes or a deadline is over.
"""
import atexit
import ctypes
import imaplib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
POSTHORN = os.environ.get("POSTHORN", str(ROOT / "build" / "release" / "posthorn"))
DOMAIN = "example.org"
HOST = "localhost"
ADMIN = "postmaster@" + DOMAIN
PASSWORD = "correct horse battery staple"
START_MAX_S = 60
CALL_MAX_S = 60

imaplib._MAXLINE = 50_000_000  # a FETCH of everything is one answer


class Skip(Exception):
    """This test cannot run here; the text says why."""


def need(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise Skip("not installed: " + ", ".join(missing))


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def until(condition, what, seconds=30.0):
    """The first true answer of condition(); AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        pause.wait(0.02)


# ---- ports and processes ----

_taken_ports = set()


def free_port():
    """A port that nobody has, below those that the system gives to outgoing connections.

    Among those, a client that tries again while the server is down can become its own peer, and any
    client can sit on the port when the server comes back.
    """
    try:
        low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        low = 32768
    candidates = list(range(10_000, low)) or [0]
    for _ in range(1000):
        port = random.choice(candidates)
        if port in _taken_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            port = probe.getsockname()[1]
        _taken_ports.add(port)
        return port
    raise AssertionError("no free port")


_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a killed test leaves no server behind


def run(command, timeout=60, stdin=None, env=None, check=True):
    """A finished process with text in stdout and stderr; its failure is an AssertionError."""
    given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", timeout=timeout, env=env, **given)
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class Refused(Exception):
    """The server's answer to a request over the control socket that it did not fulfil."""


class Server:
    """posthorn serve on a data folder. `with Server() as server:` makes, starts, ends and removes it."""

    kinds = ("smtp", "submission", "submissions", "imap", "imaps", "metrics")

    def __init__(self, accounts=("alice", "bob"), settings=None, folder=None, nofile=None):
        self._own = folder is None
        self.base = pathlib.Path(folder or tempfile.mkdtemp(prefix="posthorn-"))
        atexit.register(self.destroy)
        self.data = self.base / "data"
        self.log_path = self.base / "log"
        self.port = {kind: free_port() for kind in self.kinds}
        self.accounts = [f"{name}@{DOMAIN}" for name in accounts]
        self.settings = dict({f"listen.{kind}": f"127.0.0.1:{port}" for kind, port in self.port.items()},
                             **(settings or {}))
        self.nofile = nofile
        self.process = None

    # -- life

    def __enter__(self):
        self.init()
        self.start()
        for address in self.accounts:
            self.cli("account", "add", address, "--password-file", self.password_file())
        return self

    def __exit__(self, *_):
        self.destroy()

    def password_file(self, password=PASSWORD):
        path = self.base / f"password-{abs(hash(password))}"
        path.write_text(password + "\n")
        return path

    def init(self):
        sets = [part for item in self.settings.items() for part in ("--set", "=".join(item))]
        return run([POSTHORN, "init", "--data", self.data, "--domain", DOMAIN, "--host", HOST, "--admin",
                    "postmaster", "--password-file", self.password_file(), *sets])

    def launch(self):
        """Starts the process; does not wait."""
        def limits():
            _die_with_parent()
            if self.nofile:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, self.nofile))

        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([POSTHORN, "--data", str(self.data), "serve"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=limits)

    def start(self):
        self.launch()
        until(self.is_ready, "the server is ready", START_MAX_S)

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}\n{self.log_tail()}")
        try:
            self.control("tasks.list")
            return True
        except OSError:
            return False

    def stop(self, seconds=40):
        """Politely; its exit status must be 0."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        expect(status == 0, f"the server ended with {status}\n{self.log_tail()}")

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def destroy(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._own:
            shutil.rmtree(self.base, ignore_errors=True)
        atexit.unregister(self.destroy)

    def log_tail(self, lines=25):
        try:
            text = self.log_path.read_text(errors="replace")
        except OSError:
            return ""
        return "".join(f"  | {line}\n" for line in text.splitlines()[-lines:])

    def memory_mib(self, what="VmRSS"):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(what + r":\s+(\d+)", text).group(1)) / 1024

    # -- asking it

    def cli(self, *arguments, check=True):
        return run([POSTHORN, "--data", self.data, *arguments], check=check)

    def cli_json(self, *arguments):
        return json.loads(self.cli("--json", *arguments).stdout)

    def control(self, verb, **args):
        """One request over the control socket, without a process for it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CALL_MAX_S)
            connection.connect(str(self.data / "control.sock"))
            connection.sendall(json.dumps({"verb": verb, "args": args, "who": "interop"}).encode() + b"\n")
            line = b""
            while not line.endswith(b"\n"):
                piece = connection.recv(1 << 20)
                if not piece:
                    raise ConnectionError("the control socket closed")
                line += piece
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(answer["error"]["text"])
        return answer["result"]

    def set(self, name, value):
        return self.control("setting.set", name=name, value=value)

    def waiting(self, **filters):
        return self.control("queue.list", limit=10_000, **filters)["rows"]

    def until_queue_is_empty(self, seconds=60):
        until(lambda: not self.control("queue.list", limit=1)["rows"], "the queue is empty", seconds)

    # -- mail

    @property
    def certificate(self):
        return self.data / "tls" / "cert.pem"

    def tls(self):
        return ssl.create_default_context(cafile=str(self.certificate))

    def smtp(self, timeout=60):
        return smtplib.SMTP(HOST, self.port["smtp"], local_hostname="client.example.net", timeout=timeout)

    def submission(self, login=f"alice@{DOMAIN}", password=PASSWORD):
        client = smtplib.SMTP(HOST, self.port["submission"], local_hostname="client.example.net", timeout=60)
        client.starttls(context=self.tls())
        client.login(login, password)
        return client

    def imap(self, login=f"bob@{DOMAIN}", password=PASSWORD, select="INBOX"):
        client = imaplib.IMAP4_SSL(HOST, self.port["imaps"], ssl_context=self.tls(), timeout=60)
        client.login(login, password)
        if select:
            imap_ok(client.select(select))
        return client

    def messages(self, login=f"bob@{DOMAIN}", folder="INBOX", items="BODY.PEEK[]"):
        """The messages of a folder, each the octets of its literal."""
        client = self.imap(login, select=folder)
        try:
            if client.untagged_responses.get("EXISTS") == [b"0"]:
                return []
            answer = imap_ok(client.fetch("1:*", f"({items})"))
            return [part[1] for part in answer if isinstance(part, tuple)]
        finally:
            client.logout()

    def arrived(self, text, login=f"bob@{DOMAIN}", seconds=30, folder="INBOX"):
        """The one message with `text` in it, once it is there."""
        wanted = text.encode()
        found = until(lambda: [m for m in self.messages(login, folder) if wanted in m],
                      f"a message with {text!r} is in {folder} of {login}", seconds)
        expect(len(found) == 1, f"{len(found)} messages with {text!r}")
        return found[0]


def imap_ok(answer):
    kind, data = answer
    expect(kind == "OK", f"the IMAP server answered {kind} {data}")
    return data


def message(subject, sender=f"alice@{DOMAIN}", recipient=f"bob@{DOMAIN}", body="Hello.\r\n", fields=""):
    return (f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\n"
            f"Date: Mon, 01 Jun 2026 10:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}@client>\r\n"
            f"{fields}\r\n{body}")


_counter = iter(range(1, 1 << 60))


def marker(word):
    """A text that no other message of any run has."""
    return f"{word}-{os.getpid()}-{next(_counter)}-{random.getrandbits(32):08x}"


# ---- a next hop ----

def path_of(line):
    return line.partition(b"<")[2].partition(b">")[0].decode(errors="replace")


class NextHop:
    """An SMTP server in a thread that does as `behaviour` says at the moment:

    accept   takes everything           defer   451 to RCPT          refuse   550 to RCPT
    silent   accepts connections and never says a word               lose     takes the message and cuts
    down()/up() close and open the listener: the connection is refused meanwhile. With `judge`, a
    function of a recipient, each recipient has a behaviour of its own (not silent). It offers the
    extensions in `offers`, and keeps the lines of MAIL and RCPT in `said`.
    """

    def __init__(self, behaviour="accept", judge=None):
        self.behaviour = behaviour
        self.judge = judge or (lambda recipient: self.behaviour)
        self.port = free_port()
        self.words = "Not today, says the next hop"
        self.offers = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
        self.said = []
        self.taken = []  # (sender, recipients, octets), in the order of their 250
        self.connections = 0
        self._changed = threading.Condition()
        self._listener = None
        self._ended = False
        self._open = set()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def up(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def down(self):
        listener, self._listener = self._listener, None
        if listener is not None:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self if self._listener else self.up()

    def __exit__(self, *_):
        self.down()

    def until_taken(self, condition, what, seconds=30):
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.taken), seconds):
                raise AssertionError(f"the next hop did not get {what} within {seconds} s, "
                                     f"but {len(self.taken)} messages")

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection):
        self._open.add(connection)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as lines:
                self._serve(connection, lines)
        except OSError:
            pass
        finally:
            self._open.discard(connection)

    def _serve(self, connection, lines):
        def say(text):
            connection.sendall(text.encode() + b"\r\n")

        if self.behaviour == "silent":
            lines.read(1 << 20)
            return
        say("220 next-hop.example.net ESMTP")
        sender, recipients, loses = "", [], False
        for line in lines:
            verb = line[:4].upper()
            judged = self.judge(path_of(line)) if verb == b"RCPT" else ""
            if verb in (b"MAIL", b"RCPT"):
                self.said.append(line.decode(errors="replace").strip())
            if verb in (b"EHLO", b"HELO"):
                names = ["next-hop.example.net", *(self.offers if verb == b"EHLO" else ())]
                say("".join(f"250-{name}\r\n" for name in names[:-1]) + "250 " + names[-1])
            elif verb == b"MAIL":
                sender, recipients, loses = path_of(line), [], self.behaviour == "lose"
                say("250 2.1.0 ok")
            elif judged == "defer":
                say("451 4.2.1 " + self.words)
            elif judged == "refuse":
                say("550 5.7.1 " + self.words)
            elif judged:
                recipients.append(path_of(line))
                loses = loses or judged == "lose"
                say("250 2.1.5 ok")
            elif verb == b"DATA" and not recipients:
                say("554 5.5.1 no valid recipients")
            elif verb == b"DATA":
                say("354 go on")
                if not self._take(lines, sender, recipients):
                    return
                if loses:
                    return
                say("250 2.0.0 taken")
                sender, recipients = "", []
            elif verb == b"QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 2.0.0 ok")

    def _take(self, lines, sender, recipients):
        octets = bytearray()
        for line in lines:
            if line == b".\r\n":
                with self._changed:
                    self.taken.append((sender, list(recipients), bytes(octets)))
                    self._changed.notify_all()
                return True
            octets += line[1:] if line.startswith(b".") else line
        return False


# ---- results ----

def main(tests, server=None):
    """Runs functions one after the other, each one test named by it; the exit status.

    Arguments on the command line choose tests by a part of their name.
    """
    wanted = sys.argv[1:]
    failed = 0
    for test in tests:
        name = test.__name__.replace("_", " ")
        if wanted and not any(part.replace("_", " ") in name for part in wanted):
            continue
        began = time.monotonic()
        try:
            test()
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Skip as why:
            print(f"skip {name}: {why}", flush=True)
        except Exception as error:  # whatever it is, the next test runs
            failed += 1
            first = (str(error).splitlines() or [type(error).__name__])[0]
            print(f"not ok {name} - {type(error).__name__}: {first}", flush=True)
            print("  " + traceback.format_exc().replace("\n", "\n  "), flush=True)
            if server is not None and server() is not None:
                print(server().log_tail(), flush=True)
    return 1 if failed else 0
