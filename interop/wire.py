"""SMTP by hand, for tests that must see every octet: what smtplib would not send, and fast loads."""
import hashlib
import random
import socket
import threading

import harness
from harness import DOMAIN


class Reply(str):
    @property
    def code(self):
        return int(self[:3]) if self[:3].isdigit() else 0


class Wire:
    """A connection with replies read line by line. Without a reply in time: TimeoutError."""

    def __init__(self, port, timeout=30, greet="EHLO client.example.net", receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")
        self.greeting = None
        if greet is not None:
            self.greeting = self.reply()
            if greet:
                self.say(greet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.input.close()
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode())

    def line(self):
        """A line without its end; "" when the peer has closed."""
        return self.input.readline().decode(errors="replace").rstrip("\r\n")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if not line:
                raise ConnectionError("closed" + (" after " + lines[-1] if lines else ""))
            lines.append(line)
            if line[3:4] != "-":
                return Reply("\n".join(lines))

    def say(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def begin(self, recipients, sender="someone@example.net"):
        for command in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients)):
            answer = self.say(command)
            if answer.code != 250:
                raise ConnectionError(f"{command}: {answer}")

    def data(self, octets):
        """DATA with content that ends in CRLF and has no line that begins with a dot."""
        answer = self.say("DATA")
        if answer.code != 354:
            return answer
        self.send(octets + b".\r\n")
        return self.reply()


class Load:
    """Sessions that send marked messages as fast as they are taken, over restarts of the server.

    Each message is sent once, so that what is found more often was made more often. `acknowledged`
    holds what got its 250 (marker to the reply), `sent` all whose last octet may have left us (marker
    to recipients).
    """

    def __init__(self, server, recipients, ways, seed):
        self.server = server
        self.recipients = recipients  # function of a Random: the recipients of one message
        self.sent = {}
        self.acknowledged = {}
        self.refused = []
        self.running = threading.Event()
        self._stopped = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._session, args=(way, random.Random(f"{seed} {i}"), i),
                                          daemon=True) for i, way in enumerate(ways)]
        for thread in self._threads:
            thread.start()

    def until_acknowledged(self, count, seconds=60):
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.acknowledged) >= count, seconds):
                raise AssertionError(f"only {len(self.acknowledged)} of {count} acknowledged; {self.refused[-3:]}")

    def stop(self):
        self._stopped = True
        self.running.set()
        for thread in self._threads:
            thread.join(60)

    def _session(self, way, chance, index):
        number = 0
        while not self._stopped:
            self.running.wait()
            try:
                for _ in way(self, chance):
                    number += 1
                    if self._stopped:
                        return
            except (OSError, harness.smtplib.SMTPException, harness.ssl.SSLError):
                self.running.wait(0.01)  # the server was killed, or is not up yet

    def make(self, chance):
        """A marked message whose header has the digest of its body."""
        mark = harness.marker("load")
        size = chance.choice((200, 1000, 4000, 4000, 12_000, 60_000))
        body = b"".join(b"%s %064x\r\n" % (mark.encode(), chance.getrandbits(256)) for _ in range(size // 80))
        head = (f"From: <alice@{DOMAIN}>\r\nSubject: {mark}\r\nMessage-ID: <{mark}@client>\r\n"
                f"X-Digest: {hashlib.sha256(body).hexdigest()}\r\nX-Marker: {mark}\r\n\r\n")
        return mark, self.recipients(chance), head.encode() + body

    def note(self, mark, answer):
        if not str(answer).startswith("250"):
            self.refused.append(answer)
            return
        with self._changed:
            self.acknowledged[mark] = str(answer)
            self._changed.notify_all()


# The ways of a session: generators that yield after each message.

def one_message_a_connection(load, chance):
    with Wire(load.server.port["smtp"]) as wire:
        mark, recipients, octets = load.make(chance)
        wire.begin(recipients)
        load.sent[mark] = recipients
        load.note(mark, wire.data(octets))
        yield


def many_messages_a_connection(load, chance):
    with Wire(load.server.port["smtp"]) as wire:
        while True:
            mark, recipients, octets = load.make(chance)
            wire.begin(recipients)
            load.sent[mark] = recipients
            load.note(mark, wire.data(octets))
            yield


def pipelined(load, chance):
    with Wire(load.server.port["smtp"]) as wire:
        while True:
            mark, recipients, octets = load.make(chance)
            commands = ["MAIL FROM:<someone@example.net>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
            wire.send("\r\n".join(commands) + "\r\n")
            for _ in commands:
                wire.reply()
            load.sent[mark] = recipients
            wire.send(octets + b".\r\n")
            load.note(mark, wire.reply())
            yield


def chunked(load, chance):
    with Wire(load.server.port["smtp"]) as wire:
        while True:
            mark, recipients, octets = load.make(chance)
            wire.begin(recipients)
            half = len(octets) // 2
            load.sent[mark] = recipients
            wire.send(b"BDAT %d\r\n%b" % (half, octets[:half]))
            wire.reply()
            wire.send(b"BDAT %d LAST\r\n%b" % (len(octets) - half, octets[half:]))
            load.note(mark, wire.reply())
            yield


def submitted(load, chance):
    client = load.server.submission()
    try:
        while True:
            mark, recipients, octets = load.make(chance)
            client.mail(f"alice@{DOMAIN}")
            for recipient in recipients:
                client.rcpt(recipient)
            load.sent[mark] = recipients
            code, text = client.data(octets)
            load.note(mark, f"{code} {text.decode()}")
            yield
    finally:
        client.close()
