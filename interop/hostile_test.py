#!/usr/bin/env python3
"""Bad input over real sockets: each gets the right reply or a closed connection, the server lives, its
memory stays below MEMORY_MAX_MIB, and what was acknowledged is there."""
import os
import pathlib
import random
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time

import harness
import wire
from harness import DOMAIN, PASSWORD, NextHop, Server, Skip, expect, imap_ok, marker, message, until
from wire import Wire

ALICE = f"alice@{DOMAIN}"
BOB = f"bob@{DOMAIN}"
CONNECTIONS = 10_000
PLACES = 9_000
SIZE_MAX = 4 * 1024 * 1024
# Caches and write buffers of the store (about 300 MiB when all are full), receiving and taking apart
# (limited to 32 MiB each below), 10,000 sessions.
MEMORY_MAX_MIB = 700
SETTINGS = {"smtp.message_size_max": "4 MiB", "smtp.memory_max": "32 MiB", "imap.memory_max": "32 MiB",
            "imap.message_size_max": "8 MiB", "smtp.connections_max": str(PLACES)}
server = None


def still_serves():
    """The proof of life after each insult: a message in, and out again over IMAP."""
    text = marker("alive")
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        expect(w.data(message(text).encode()).code == 250, "an honest message is refused")
    with_inbox(lambda c: until(lambda: (c.noop(), imap_ok(c.search(None, "SUBJECT", text))[0])[1], text))
    memory_is_bounded()


def memory_is_bounded():
    peak = server.memory_mib("VmHWM")
    expect(peak < MEMORY_MAX_MIB, f"the server used {peak:.0f} MiB at its peak")


def with_inbox(action):
    client = server.imap(BOB)
    try:
        return action(client)
    finally:
        client.logout()


def answer_or_close(w):
    """The reply, or "" when the connection ended instead."""
    try:
        return w.reply()
    except OSError:
        return wire.Reply("")


def send_all_of(w, pieces):
    """Sends until the peer closes; a closed connection is an answer, too."""
    try:
        for piece in pieces:
            w.send(piece)
    except (ConnectionError, BrokenPipeError):
        pass


# ---- SMTP ----

def overlong_command_lines():
    with Wire(server.port["smtp"]) as w:
        expect(w.say("NOOP " + "x" * 10_000).code == 500, "a command of 10,000 octets")
        expect(w.say("NOOP").code == 250, "the session did not go on")
    with Wire(server.port["smtp"]) as w:  # without end
        send_all_of(w, (b"x" * 65536 for _ in range(1000)))
        expect(answer_or_close(w).code in (0, 421, 500), "an endless command")
    still_serves()


def overlong_content_lines():
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        answer = w.data(b"Subject: x\r\n\r\n" + b"y" * 2_000_000 + b"\r\n")
        expect(answer.code == 554, answer)
        text = marker("long-line")
        w.begin([BOB])
        expect(w.data(message(text, body="z" * 60_000 + "\r\n").encode()).code == 250, "a line of 60,000 octets")
    expect(b"z" * 60_000 in server.arrived(text), "the long line did not arrive whole")


def oversized_messages():
    with Wire(server.port["smtp"]) as w:
        answer = w.say(f"MAIL FROM:<x@example.net> SIZE={SIZE_MAX + 1}")
        expect(answer.code == 552, answer)
        w.begin([BOB])
        line = b"a" * 998 + b"\r\n"
        answer = w.data(b"Subject: big\r\n\r\n" + line * (SIZE_MAX // 1000 + 100))
        expect(answer.code == 552, answer)
        w.begin([BOB])
        expect(w.data(b"Subject: fits\r\n\r\n" + line * (SIZE_MAX // 1000 - 100)).code == 250, "one that fits")
    with Wire(server.port["smtp"]) as w:  # far beyond the limit: swallowed for a while, then closed
        w.begin([BOB])
        w.say("DATA")
        send_all_of(w, (line * 1000 for _ in range(60)))
        expect(answer_or_close(w).code in (0, 552), "an endless message")
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        answer = w.say("BDAT 999999999999999999999999")
        expect(answer.code == 501, answer)
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        w.send(f"BDAT {SIZE_MAX * 100} LAST\r\n")
        send_all_of(w, (line * 1000 for _ in range(60)))
        expect(answer_or_close(w).code in (0, 552), "a huge chunk")
    still_serves()


def NUL_and_bare_newlines():
    for content, what in ((b"a\0b\r\n", "NUL"), (b"a\nb\r\n", "LF"), (b"a\rb\r\n", "CR"),
                          (b"a\n.\nMAIL FROM:<evil@example.net>\r\n", "a smuggled end"),
                          (b"a\r\n.\nMAIL FROM:<evil@example.net>\r\n", "half a smuggled end")):
        with Wire(server.port["smtp"]) as w:
            w.begin([BOB])
            answer = w.data(b"Subject: bad\r\n\r\n" + content)
            expect(answer.code == 554 and "5.6.0" in answer, f"{what} in content: {answer}")
            expect(w.say("NOOP").code == 250, f"after {what} in content")
    for line, what in ((b"NOOP\n", "LF"), (b"NO\rOP\r\n", "CR"), (b"NO\0OP\r\n", "NUL"),
                       (b"\xff\xfe\x80\r\n", "octets")):
        with Wire(server.port["smtp"]) as w:
            w.send(line)
            answer = answer_or_close(w)
            expect(answer.code in (0, 500), f"{what} in a command: {answer}")
    still_serves()


def wrong_command_order():
    with Wire(server.port["smtp"], greet="") as w:
        expect(w.say("MAIL FROM:<a@example.net>").code == 503, "MAIL before hello")
        w.say("EHLO client.example.net")
        for command, code in (("RCPT TO:<a@example.org>", 503), ("DATA", 503), ("BDAT 0 LAST", 503),
                              ("MAIL FROM:a@example.net", 501), ("MAIL FROM:<a@example.net> SIZE=-1", 501),
                              ("MAIL FROM:<a@example.net> NONSENSE=1", 555), ("WHAT", 500), ("EHLO", 501),
                              ("VRFY bob", 252), ("EXPN bob", 502), ("RSET", 250)):
            answer = w.say(command)
            expect(answer.code == code, f"{command}: {answer}")
        expect(w.say("MAIL FROM:<a@example.net>").code == 250, "MAIL")
        expect(w.say("MAIL FROM:<a@example.net>").code == 503, "MAIL twice")
        expect(w.say("DATA").code in (503, 554), "DATA without a recipient")
    with Wire(server.port["smtp"]) as w:
        codes = []
        try:
            for _ in range(100):
                codes.append(w.say("NONSENSE").code)
        except OSError:
            pass
        expect(codes[-1] == 421 and len(codes) < 100, f"nonsense got {codes[-3:]} after {len(codes)}")
    with Wire(server.port["smtp"]) as w:  # commands in the clear behind STARTTLS are not run
        w.send("STARTTLS\r\nMAIL FROM:<evil@example.net>\r\n")
        expect(w.reply().code == 220, "STARTTLS")
        rest = answer_or_close(w)
        expect(rest.code != 250, f"a command was run: {rest}")
    still_serves()


def endless_headers():
    """Header fields beyond any use: taken or refused, but whatever was taken can be read."""
    many = "".join(f"X-Name-{n}: {n}\r\n" for n in range(100_000))  # every name another one: S3's defect
    long = "X-Long: " + " folded\r\n" * 200_000
    for what, fields in (("100,000 fields", many), ("one endless field", long)):
        text = marker("headers")
        with Wire(server.port["smtp"]) as w:
            w.begin([BOB])
            answer = w.data(message(text, fields=fields).encode())
            expect(answer.code == 250 or 500 <= answer.code < 560, f"{what}: {answer}")
        if answer.code == 250:
            read_everything(text, what)
    with Wire(server.port["smtp"]) as w:  # never an end of the header
        w.begin([BOB])
        w.say("DATA")
        send_all_of(w, (b"X-More: and more\r\n" * 10_000 for _ in range(100)))
        expect(answer_or_close(w).code in (0, 552), "a header without end")
    still_serves()


def received_loops():
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        answer = w.data(message("loop", fields="Received: from a by b; x\r\n" * 60).encode())
        expect(answer.code == 554 and "5.4.6" in answer, answer)


def nested(depth):
    out = ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="b0"', ""]
    for level in range(1, depth):
        out += [f"--b{level - 1}", f'Content-Type: multipart/mixed; boundary="b{level}"', ""]
    return "\r\n".join(out) + "\r\n"


def read_everything(text, what):
    """All that a client could ask of a message answers OK."""
    arrived_at(text)

    def read(client):
        uid = imap_ok(client.uid("SEARCH", "SUBJECT", text))[0].split()[0].decode()
        for items in ("(ENVELOPE)", "(BODYSTRUCTURE)", "(BODY)", "(RFC822.SIZE FLAGS)", "(BODY.PEEK[HEADER])",
                      "(BODY.PEEK[HEADER.FIELDS (SUBJECT X-LONG)])", "(BODY.PEEK[TEXT]<0.100>)", "(BODY.PEEK[1.1])",
                      "(BODY.PEEK[1.MIME])", "(BODY.PEEK[9.9.9.9])", "(BODY.PEEK[])"):
            kind, data = client.uid("FETCH", uid, items)
            expect(kind == "OK", f"{what}: FETCH {items} answered {kind} {str(data)[:200]}")
        imap_ok(client.uid("SEARCH", "BODY", "nowhere"))
    with_inbox(read)


def arrived_at(text):
    with_inbox(lambda c: until(lambda: (c.noop(), imap_ok(c.search(None, "SUBJECT", text))[0])[1],
                               f"{text} is in the INBOX"))


def broken_MIME_is_delivered_and_fetched():
    chance = random.Random(1)
    noise = bytes(chance.choice(range(1, 256)) for _ in range(3000)).replace(b"\r", b"").replace(b"\n", b"")
    cases = {
        "1,000 levels": nested(1000).encode(),
        "a boundary that never comes": b'Content-Type: multipart/mixed; boundary="never"\r\n\r\ntext\r\n',
        "no boundary": b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n--\r\n",
        "bad base64": b"Content-Transfer-Encoding: base64\r\n\r\n=====%%%%\r\n",
        "no type": b"Content-Type: ;;;=\"\\\r\nContent-Disposition: \"\r\n\r\nx\r\n",
        "encoded words": b"X-S: " + b"=?utf-8?b?//79?=" * 500 + b" =?x?q?=ZZ?= =?\r\n\r\nx\r\n",
        "parameters": (b"Content-Type: text/plain; " + b"".join(b"a*%d*=x; " % n for n in range(3000)) +
                       b"\r\n\r\nx\r\n"),
        "noise in the header": b"X-Noise: " + noise + b"\r\n\r\nx\r\n",
        "noise for a body": b"\r\n" + noise + b"\r\n",
        "addresses": b"To: " + b"(" * 5000 + b"<<<@@@>>>,;:" * 2000 + b"\r\n\r\nx\r\n",
        "message in message": b"Content-Type: message/rfc822\r\n\r\n" * 300 + b"\r\nx\r\n",
        "no header": b"\r\n\r\n",
        "10,000 parts": (b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 10_000 +
                         b"--b--\r\n"),
    }
    for what, content in cases.items():
        text = marker("mime")
        with Wire(server.port["smtp"]) as w:
            w.begin([BOB])
            answer = w.data(f"Subject: {text}\r\nMIME-Version: 1.0\r\n".encode() + content)
            expect(answer.code == 250, f"{what}: {answer}")
        read_everything(text, what)
    still_serves()


# ---- IMAP ----

def imap_wire(user=BOB):
    """A logged-in connection over TLS, as socket and file."""
    raw = socket.create_connection(("127.0.0.1", server.port["imaps"]), timeout=30)
    secure = server.tls().wrap_socket(raw, server_hostname=harness.HOST)
    lines = secure.makefile("rb")
    expect(lines.readline().startswith(b"* OK"), "no greeting")
    if user:
        secure.sendall(f'a LOGIN {user} "{PASSWORD}"\r\n'.encode())
        expect(tagged(lines, b"a").startswith(b"a OK"), "no login")
    return secure, lines


def tagged(lines, tag):
    while True:
        line = lines.readline()
        if not line or line.startswith(tag + b" ") or line.startswith(b"* BYE"):
            return line


def bad_IMAP_input():
    insults = [b"a NONSENSE\r\n", b"a\r\n", b"\r\n", b"* * *\r\n", b"a FETCH\r\n", b"a SELECT\r\n", b"a LOGIN x\r\n",
               b"a SELECT {99999999999999}\r\n", b"a SELECT {-1}\r\n", b"a SEARCH " + b"(" * 20_000 + b"\r\n",
               b"a FETCH 1:* (" + b"BODY[1." * 3000 + b")\r\n", b"a SELECT \"\0\"\r\n", b"a SELECT \"\xff\xfe\"\r\n",
               b"a NOOP\n", b"a UID FETCH 0:0 FLAGS\r\n", b"a UID FETCH 18446744073709551616 FLAGS\r\n",
               b"a SEARCH CHARSET NOSUCH ALL\r\n", b"a STORE 1 FLAGS (" + b"k" * 100_000 + b")\r\n", b"a DONE\r\n",
               b"a AUTHENTICATE PLAIN\r\n!!!\r\n", b"a STARTTLS\r\n", b"\x16\x03\x01\x02\x00\x01\r\n"]
    for logged_in in (None, BOB):
        for insult in insults:
            secure, lines = imap_wire(logged_in)
            with secure, lines:
                try:
                    secure.sendall(insult + b"b NOOP\r\n")
                    answers = []
                    for line in lines:
                        answers.append(line)
                        if line.startswith((b"b ", b"* BYE")) or b"BAD" in line:
                            break
                    expect(not answers or any(w in answers[-1] for w in (b" BAD", b" NO", b" OK", b"* BYE")),
                           f"{insult[:40]} got {answers[-1:]}")
                except (ConnectionError, TimeoutError, harness.ssl.SSLError) as error:
                    # A literal that is announced and does not come: waiting for it is right.
                    expect(not isinstance(error, TimeoutError) or b"{" in insult, f"{insult[:40]}: no answer")
    still_serves()


def endless_IMAP_lines_and_literals():
    for insult, pieces in ((b"a SEARCH SUBJECT ", b"x" * 65536), (b"a SELECT \"", b"y" * 65536)):
        secure, lines = imap_wire()
        with secure, lines:
            try:
                secure.sendall(insult)
                for _ in range(400):
                    secure.sendall(pieces)
            except (ConnectionError, harness.ssl.SSLError):
                pass
    secure, lines = imap_wire()
    with secure, lines:
        secure.sendall(b"a APPEND INBOX {9999999999}\r\n")
        answer = lines.readline()
        expect(re.match(rb"a (NO|BAD)|\* BYE", answer) is not None, f"a huge literal got {answer}")
    still_serves()


# ---- those who do not read ----

def stuff(connection, octets, seconds=20):
    """Sends without reading until nothing more is taken for a moment; how much went out."""
    connection.setblocking(False)
    total, deadline = 0, time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_WRITE)
        while time.monotonic() < deadline and total < 200_000_000 and selector.select(0.3):
            try:
                total += connection.send(octets)
            except BlockingIOError:
                continue
            except OSError:
                break
    return total


def clients_that_stop_reading():
    before = server.memory_mib()
    idle = []
    for _ in range(10):
        w = Wire(server.port["smtp"], receive_buffer=4096)
        sent = stuff(w.socket, b"EHLO client.example.net\r\n" * 4000)
        expect(sent < 100_000_000, f"the server took {sent} octets from a client that does not read")
        idle.append(w)
    # A mailbox with something in it to ask for again and again.
    text = marker("large")
    with Wire(server.port["smtp"]) as w:
        w.begin([BOB])
        expect(w.data(message(text, body=("w" * 990 + "\r\n") * 3500).encode()).code == 250, "a large message")
    arrived_at(text)
    for _ in range(10):
        secure, lines = imap_wire()
        secure.sendall(b"a SELECT INBOX\r\n")
        expect(tagged(lines, b"a").startswith(b"a OK"), "SELECT")
        secure.sendall(b"".join(b"b%d FETCH 1:* (BODY.PEEK[])\r\n" % n for n in range(200)))
        idle.append(secure)
    still_serves()
    grown = server.memory_mib() - before
    print(f"  {len(idle)} clients that do not read cost {grown:.0f} MiB", flush=True)
    expect(grown < 200, f"clients that do not read cost {grown:.0f} MiB")
    for connection in idle:
        connection.close()
    still_serves()


# ---- very many ----

def ten_thousand_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    sockets, greetings = [], {}
    try:
        with selectors.DefaultSelector() as selector:
            def collect(patience):
                for key, _ in selector.select(patience):
                    try:
                        got = key.fileobj.recv(4096)
                    except OSError:
                        got = b""
                    greetings[key.fileobj] = got[:3]
                    selector.unregister(key.fileobj)

            for _ in range(CONNECTIONS):
                one = socket.create_connection(("127.0.0.1", server.port["smtp"]), timeout=30)
                sockets.append(one)
                selector.register(one, selectors.EVENT_READ)
                collect(0)
            deadline = time.monotonic() + 40
            while len(greetings) < CONNECTIONS and time.monotonic() < deadline:
                collect(1)
        counts = {code: list(greetings.values()).count(code) for code in set(greetings.values())}
        print(f"  {CONNECTIONS} connections: {counts}, server at {server.memory_mib():.0f} MiB", flush=True)
        expect(len(greetings) == CONNECTIONS, f"{CONNECTIONS - len(greetings)} got no answer")
        expect(set(counts) <= {b"220", b"421", b""}, str(counts))
        expect(counts.get(b"220", 0) <= PLACES, f"more than {PLACES} places were given")
        expect(counts.get(b"220", 0) >= PLACES - 100, f"only {counts.get(b'220', 0)} of {PLACES} places were given")
        expect(counts.get(b"421", 0) > 0, "nobody was told 421")
        # Readers and users are not hurt by them.
        with_inbox(lambda c: imap_ok(c.noop()))
        server.cli("tasks")
        memory_is_bounded()
    finally:
        for one in sockets:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def a_new_client_is_answered():
        with Wire(server.port["smtp"], greet=None) as w:
            return w.reply().code == 220
    until(a_new_client_is_answered, "a new client is answered")
    still_serves()


def ten_thousand_IMAP_connections_then_a_reader():
    """The same at the IMAP port: whoever gets a place or BYE, a reader is served afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CONNECTIONS + 500:
        raise Skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CONNECTIONS + 500), hard))
    sockets = []
    try:
        for _ in range(CONNECTIONS):
            sockets.append(socket.create_connection(("127.0.0.1", server.port["imap"]), timeout=30))
        answered = 0
        for one in sockets:
            one.settimeout(30)
            try:
                answered += one.recv(64).startswith((b"* OK", b"* BYE"))
            except ConnectionError:
                answered += 1  # closed is an answer
        expect(answered == CONNECTIONS, f"{CONNECTIONS - answered} got no answer")
    finally:
        for one in sockets:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    still_serves()


# ---- a full disk ----

class SmallDisk:
    """A file system of its own in memory, for a data folder."""

    def __init__(self, mib):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-disk-"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", self.path],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            self.path.rmdir()
            raise Skip("no tmpfs can be mounted here: " + done.stdout.strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)
        self.path.rmdir()

    def free_mib(self):
        s = os.statvfs(self.path)
        return s.f_bavail * s.f_frsize / 1024 / 1024

    def fill(self, leave_mib):
        with open(self.path / "filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, int((self.free_mib() - leave_mib) * 1024 * 1024)))

    def clear(self):
        (self.path / "filler").unlink(missing_ok=True)


def a_full_disk():
    if os.geteuid() != 0:
        raise Skip("only root can mount a small disk")
    available = re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    if int(available.group(1)) < 2 * 1024 * 1024:
        raise Skip("a disk of 900 MiB in memory needs 2 GiB available")
    with SmallDisk(900) as disk, NextHop() as hop:
        hop.down()
        small = Server(accounts=("bob",), folder=disk.path / "server", settings={
            "route.smart_host": hop.address, "smtp.relay_networks": "127.0.0.0/8", "queue.schedule": "1 s",
            "queue.jitter": "0", "queue.lane-failures": "100"})
        small.base.mkdir()
        small.log_path = pathlib.Path(tempfile.gettempdir()) / f"{disk.path.name}.log"
        try:
            with small:
                full_disk_story(disk, hop, small)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{small.log_tail()}") from error
        finally:
            small.log_path.unlink(missing_ok=True)


def offer(small, recipient, text):
    """The answer to one message: to MAIL where that is refused, else to the content."""
    with Wire(small.port["smtp"]) as w:
        try:
            w.begin([recipient])
        except ConnectionError as refused:
            return wire.Reply(str(refused).partition(": ")[2])
        return w.data(message(text, body="v" * 70 + "\r\n" * 20).encode())


def full_disk_story(disk, hop, small):
    acknowledged = []

    def give(recipient, word, wanted):
        text = marker(word)
        answer = offer(small, recipient, text)
        expect(answer.code in wanted, f"{word}: {answer}")
        if answer.code == 250:
            acknowledged.append((recipient, text))
        return answer

    out, local = "someone@example.net", BOB
    for _ in range(20):
        give(out, "before", (250,))
        give(local, "before", (250,))
    small.arrived(acknowledged[-1][1])

    # Little room (less than the 256 MiB kept for the queue): nothing new is taken, what is queued goes
    # out.
    disk.fill(leave_mib=210)
    for recipient in (out, local):
        answer = give(recipient, "nearly-full", (452,))
        expect("4.3.1" in answer, answer)
    hop.up()
    hop.until_taken(lambda taken: len(taken) >= 20, "what was queued when the disk filled up")
    until(lambda: not small.waiting(), "the rows have ended on a nearly full disk")
    hop.down()

    # No room at all: still answered, and alive.
    disk.clear()
    disk.fill(leave_mib=0)
    for _ in range(50):
        give(local, "full", (452, 451))
    small.cli("queue", "list")
    expect(small.messages(local), "nothing can be read while the disk is full")

    # Room again: all as before, without a restart.
    disk.clear()

    def taken_again():
        text = marker("after")
        answer = offer(small, local, text)
        if answer.code == 250:
            acknowledged.append((local, text))
        return answer.code == 250
    until(taken_again, "mail is taken again once there is room")
    for _ in range(10):
        give(out, "after", (250,))
    hop.up()
    small.until_queue_is_empty()
    check_all(hop, small, acknowledged)
    small.kill()
    small.start()
    check_all(hop, small, acknowledged)
    expect(small.control("doctor.run")["findings"] == [], str(small.control("doctor.run")))


def check_all(hop, small, acknowledged):
    inbox = small.messages(BOB)
    for recipient, text in acknowledged:
        place = inbox if recipient == BOB else [octets for _, _, octets in hop.taken]
        count = sum(f"Subject: {text}\r\n".encode() in octets for octets in place)
        expect(count == 1, f"{text} was acknowledged and is there {count} times")


def the_server_lived_through_all_this():
    expect(server.process.poll() is None, f"the server ended\n{server.log_tail()}")
    memory_is_bounded()
    print(f"  peak {server.memory_mib('VmHWM'):.0f} MiB, now {server.memory_mib():.0f} MiB", flush=True)
    expect(server.control("doctor.run")["findings"] == [], str(server.control("doctor.run")))
    server.stop()


TESTS = [overlong_command_lines, overlong_content_lines, oversized_messages, NUL_and_bare_newlines,
         wrong_command_order, endless_headers, received_loops, broken_MIME_is_delivered_and_fetched, bad_IMAP_input,
         endless_IMAP_lines_and_literals, clients_that_stop_reading, ten_thousand_connections,
         ten_thousand_IMAP_connections_then_a_reader, a_full_disk, the_server_lived_through_all_this]

if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with Server(settings=SETTINGS, nofile=hard if hard != resource.RLIM_INFINITY else 65536) as server:
        sys.exit(harness.main(TESTS, lambda: server))
