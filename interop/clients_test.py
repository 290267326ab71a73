#!/usr/bin/env python3
"""Real clients against one server: swaks, msmtp, curl, mbsync, and imapflow from npm."""
import hashlib
import json
import re
import shutil
import subprocess
import sys

import harness
from harness import (DOMAIN, HOST, PASSWORD, ROOT, NextHop, Server, Skip, expect, imap_ok, marker,
                     message, need, run)

ALICE = f"alice@{DOMAIN}"
BOB = f"bob@{DOMAIN}"
server = None
hop = None


# ---- swaks ----

def swaks(*arguments, check=True):
    need("swaks")
    return run(["swaks", "--server", "127.0.0.1", "--helo", "client.example.net", "--suppress-data",
                *arguments], check=check)


def login(user=ALICE, password=PASSWORD):
    return ["--auth", "PLAIN", "--auth-user", user, "--auth-password", password]


def swaks_injects_at_port_25():
    subject = marker("swaks-25")
    swaks("--port", server.port["smtp"], "--from", "stranger@example.net", "--to", BOB, "--h-Subject", subject)
    arrived = server.arrived(subject)
    expect(b"Received: from client.example.net ([127.0.0.1])" in arrived, "our Received field is missing")
    expect(arrived.startswith(b"Return-Path: <stranger@example.net>") or arrived.startswith(b"Received:"),
           "the message does not begin with our fields")


def swaks_injects_at_port_25_with_STARTTLS():
    subject = marker("swaks-25-tls")
    swaks("--port", server.port["smtp"], "--tls", "--from", "stranger@example.net", "--to", BOB,
              "--h-Subject", subject)
    expect(b"with ESMTPS\r\n" in server.arrived(subject), "the Received field does not say ESMTPS")


def swaks_pipelines():
    subject = marker("swaks-pipelining")
    swaks("--port", server.port["smtp"], "--pipeline", "--from", "stranger@example.net", "--to", BOB, "--h-Subject",
          subject)
    server.arrived(subject)


def swaks_submits_at_587_with_STARTTLS_and_AUTH_PLAIN():
    subject = marker("swaks-587")
    swaks("--port", server.port["submission"], "--tls", *login(), "--from", ALICE, "--to", BOB,
              "--h-Subject", subject)
    expect(b"with ESMTPSA" in server.arrived(subject), "the Received field does not say ESMTPSA")


def swaks_submits_with_AUTH_LOGIN():
    subject = marker("swaks-login")
    swaks("--port", server.port["submission"], "--tls", "--auth", "LOGIN", "--auth-user", ALICE,
              "--auth-password", PASSWORD, "--from", ALICE, "--to", BOB, "--h-Subject", subject)
    server.arrived(subject)


def swaks_submits_at_465():
    subject = marker("swaks-465")
    swaks("--port", server.port["submissions"], "--tls-on-connect", *login(), "--from", ALICE, "--to", BOB,
              "--h-Subject", subject)
    server.arrived(subject)


def swaks_sends_to_a_next_hop():
    subject = marker("swaks-out")
    swaks("--port", server.port["submission"], "--tls", *login(), "--from", ALICE, "--to",
              "someone@example.net", "--h-Subject", subject)
    hop.until_taken(lambda taken: any(subject.encode() in octets for _, _, octets in taken), subject)
    sender, recipients, _ = next(t for t in hop.taken if subject.encode() in t[2])
    expect((sender, recipients) == (ALICE, ["someone@example.net"]), f"envelope {sender} {recipients}")


def refused(code, *arguments):
    done = swaks("--from", ALICE, "--h-Subject", marker("refused"), *arguments, check=False)
    expect(done.returncode != 0, "swaks was not refused")
    expect(re.search(rf"^<[*~]{{1,2}}\s+{code}", done.stdout, re.M), f"no {code} in\n{done.stdout}")


def relay_is_refused_to_strangers():
    refused("550 5.7.1", "--port", server.port["smtp"], "--to", "someone@example.net")
    refused("550 5.1.1", "--port", server.port["smtp"], "--to", f"nobody@{DOMAIN}")


def submission_is_refused_without_login():
    refused("530", "--port", server.port["submission"], "--to", BOB)
    refused("530", "--port", server.port["submission"], "--tls", "--to", BOB)


def a_wrong_password_is_refused():
    refused("535 5.7.8", "--port", server.port["submission"], "--tls", *login(password="wrong"), "--to", BOB)
    refused("535 5.7.8", "--port", server.port["submission"], "--tls",
            *login(user=f"nobody@{DOMAIN}"), "--to", BOB)


def a_password_is_not_taken_in_the_clear():
    """swaks gives up by itself when AUTH is not offered; a client that does not must be told."""
    with harness.smtplib.SMTP(HOST, server.port["submission"], timeout=30) as client:
        client.ehlo()
        expect("auth" not in client.esmtp_features, "AUTH is offered without TLS")
        code, _ = client.docmd("AUTH", "PLAIN AGFsaWNlAHg=")
        expect(code in (530, 538), f"AUTH without TLS got {code}")


def a_foreign_sender_is_refused_to_a_user():
    refused("553 5.7.1", "--port", server.port["submission"], "--tls", *login(), "--from", BOB, "--to", BOB)


# ---- msmtp ----

def msmtp(port, *, tls, starttls, subject, user=ALICE):
    need("msmtp")
    config = server.base / "msmtprc"
    lines = [f"account a", f"host {HOST}", f"port {port}", f"tls {tls}", f"tls_starttls {starttls}",
             f"from {ALICE}"]
    if tls == "on":
        lines.append(f"tls_trust_file {server.certificate}")
    if user:
        lines += ["auth plain", f"user {user}", f'password "{PASSWORD}"']
    config.write_text("\n".join(lines) + "\n")
    config.chmod(0o600)
    run(["msmtp", "-C", config, "-a", "a", BOB], stdin=message(subject).replace("\r\n", "\n"))
    server.arrived(subject)


def msmtp_submits_at_587():
    msmtp(server.port["submission"], tls="on", starttls="on", subject=marker("msmtp-587"))


def msmtp_submits_at_465():
    msmtp(server.port["submissions"], tls="on", starttls="off", subject=marker("msmtp-465"))


def msmtp_injects_at_25():
    msmtp(server.port["smtp"], tls="off", starttls="off", subject=marker("msmtp-25"), user=None)


# ---- curl ----

def curl(*arguments, stdin=None, check=True):
    need("curl")
    return run(["curl", "--silent", "--show-error", "--max-time", 30, "--cacert", server.certificate, *arguments],
               stdin=stdin, check=check)


def curl_submits(url, *arguments):
    subject = marker("curl")
    path = server.base / "curl-message"
    path.write_text(message(subject), newline="")
    curl("--url", url, "--mail-from", ALICE, "--mail-rcpt", BOB, "--upload-file", path, *arguments)
    server.arrived(subject)


def curl_submits_at_587():
    curl_submits(f"smtp://{HOST}:{server.port['submission']}", "--ssl-reqd", "--user", f"{ALICE}:{PASSWORD}")


def curl_submits_at_465():
    curl_submits(f"smtps://{HOST}:{server.port['submissions']}", "--user", f"{ALICE}:{PASSWORD}")


def curl_injects_at_25():
    curl_submits(f"smtp://{HOST}:{server.port['smtp']}")


def imap_urls():
    return (f"imap://{HOST}:{server.port['imap']}", ["--ssl-reqd"]), (f"imaps://{HOST}:{server.port['imaps']}", [])


def curl_appends_searches_and_fetches_over_IMAP():
    for base, tls in imap_urls():
        subject = marker("curl-imap")
        text = message(subject, body="One.\r\n.\r\n..Two.\r\n")
        path = server.base / "curl-append"
        path.write_text(text, newline="")
        user = [*tls, "--user", f"{ALICE}:{PASSWORD}"]
        curl("--url", f"{base}/INBOX", "--upload-file", path, *user)
        found = curl("--url", f"{base}/INBOX", "--request", f"SEARCH SUBJECT {subject}", *user).stdout
        number = re.search(r"\* SEARCH (\d+)\s*$", found)
        expect(number is not None, f"SEARCH answered {found!r}")
        fetched = curl("--url", f"{base}/INBOX;MAILINDEX={number.group(1)}", *user).stdout
        expect(fetched.replace("\r\n", "\n") == text.replace("\r\n", "\n"), f"fetched {fetched!r}")
        header = curl("--url", f"{base}/INBOX;MAILINDEX={number.group(1)};SECTION=HEADER.FIELDS%20(SUBJECT)",
                      *user).stdout
        expect(subject in header and "Message-ID" not in header, f"fetched fields {header!r}")
        listed = curl("--url", f"{base}/", *user).stdout
        expect("INBOX" in listed and "Outbox" in listed, f"LIST answered {listed!r}")


def curl_is_refused_with_a_wrong_password():
    done = curl("--url", imap_urls()[1][0] + "/INBOX", "--user", f"{ALICE}:wrong", check=False)
    expect(done.returncode == 67, f"curl ended with {done.returncode}: {done.stderr}")


# ---- mbsync ----

class Mbsync:
    """mbsync between bob's server side and a Maildir."""

    def __init__(self):
        need("mbsync")
        self.base = server.base / "mbsync"
        shutil.rmtree(self.base, ignore_errors=True)
        self.maildir = self.base / "mail"
        self.maildir.mkdir(parents=True)
        self.config = self.base / "rc"
        self.config.write_text(f"""
IMAPAccount posthorn
Host {HOST}
Port {server.port['imap']}
User {BOB}
Pass "{PASSWORD}"
SSLType STARTTLS
CertificateFile {server.certificate}

IMAPStore far
Account posthorn

MaildirStore near
Path {self.maildir}/
Inbox {self.maildir}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState {self.base}/state/
""")
        (self.base / "state").mkdir()

    def sync(self):
        run(["mbsync", "-c", self.config, "-V", "all"], timeout=60)

    def files(self, folder="INBOX"):
        return sorted(p for sub in ("cur", "new") for p in (self.maildir / folder / sub).glob("*"))

    def snapshot(self):
        return {p.relative_to(self.base): hashlib.sha256(p.read_bytes()).hexdigest()
                for p in sorted(self.base.rglob("*")) if p.is_file()}


def far_state():
    """What would differ on the server if anything had been written to it."""
    client = server.imap(BOB, select=None)
    try:
        names = re.findall(r'"([^"]+)"$|(\S+)$', "\n".join(
            (line or b"").decode() for line in imap_ok(client.list())), re.M)
        return {quoted or bare: imap_ok(client.status(f'"{quoted or bare}"',
                                                      "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)"))
                for quoted, bare in names}
    finally:
        client.logout()


def mbsync_syncs_both_ways_and_a_second_time_transfers_nothing():
    box = Mbsync()
    texts = [marker("mbsync-far") for _ in range(3)]
    with server.smtp() as client:
        for text in texts:
            client.sendmail(ALICE, [BOB], message(text))
    for text in texts:
        server.arrived(text)

    # Down.
    box.sync()
    local = [p.read_bytes() for p in box.files()]
    for text in texts:
        expect(sum(text.encode() in octets for octets in local) == 1, f"{text} is not in the Maildir once")

    # Nothing to do: neither side changes.
    near, far = box.snapshot(), far_state()
    box.sync()
    expect(box.snapshot() == near, "a second sync changed the Maildir or its state")
    expect(far_state() == far, "a second sync changed the server's side")

    # Up: a new local message, a flag, a deletion; and on the server a flag and a deletion.
    up = marker("mbsync-near")
    new = box.maildir / "INBOX" / "new" / f"{up}.local"
    new.write_text(message(up).replace("\r\n", "\n"))
    seen = next(p for p in box.files() if texts[0].encode() in p.read_bytes())
    base, _, flags = seen.name.partition(":2,")
    seen.rename(box.maildir / "INBOX" / "cur" / f"{base}:2,{''.join(sorted(set(flags) | set('FS')))}")
    trashed = next(p for p in box.files() if texts[1].encode() in p.read_bytes())
    base, _, flags = trashed.name.partition(":2,")
    trashed.rename(box.maildir / "INBOX" / "cur" / f"{base}:2,{''.join(sorted(set(flags) | set('ST')))}")
    with_imap(lambda c: imap_ok(c.uid("STORE", uid_of(c, texts[2]), "+FLAGS", r"(\Answered)")))
    box.sync()
    with_imap(lambda c: expect(uid_of(c, up), "the new local message is not on the server"))
    with_imap(lambda c: expect({rb"\Seen", rb"\Flagged"} <= flags_of(c, texts[0]),
                               f"flags on the server: {flags_of(c, texts[0])}"))
    with_imap(lambda c: expect(uid_of(c, texts[1]) is None, "the message deleted locally is on the server"))
    answered = next(p for p in box.files() if texts[2].encode() in p.read_bytes())
    expect("R" in answered.name.partition(":2,")[2], f"no Answered in {answered.name}")

    # And once more nothing; then a deletion on the server comes down.
    near, far = box.snapshot(), far_state()
    box.sync()
    expect(box.snapshot() == near and far_state() == far, "a sync without changes changed something")
    with_imap(lambda c: delete(c, up))
    box.sync()
    expect(not any(up.encode() in p.read_bytes() for p in box.files()), "a deletion did not come down")


def mbsync_makes_folders_on_both_sides():
    box = Mbsync()
    with_imap(lambda c: imap_ok(c.create('"Far folder"')), select=None)
    folder = box.maildir / "Near"
    for sub in ("cur", "new", "tmp"):
        (folder / sub).mkdir(parents=True)
    text = marker("mbsync-folder")
    (folder / "new" / "1.local").write_text(message(text).replace("\r\n", "\n"))
    box.sync()
    expect((box.maildir / "Far folder" / "cur").is_dir(), "the server's folder did not come down")
    server.arrived(text, folder="Near")


def with_imap(action, select="INBOX"):
    client = server.imap(BOB, select=select)
    try:
        return action(client)
    finally:
        client.logout()


def uid_of(client, text):
    found = imap_ok(client.uid("SEARCH", "SUBJECT", f'"{text}"'))[0]
    return found.split()[0].decode() if found else None


def flags_of(client, text):
    answer = imap_ok(client.uid("FETCH", uid_of(client, text), "(FLAGS)"))[0]
    return set(re.search(rb"FLAGS \(([^)]*)\)", answer).group(1).split())


def delete(client, text):
    imap_ok(client.uid("STORE", uid_of(client, text), "+FLAGS", r"(\Deleted)"))
    imap_ok(client.expunge())


# ---- imapflow ----

def npm_folder():
    """build/interop-npm with what interop/package-lock.json names; npm is asked only when it changed."""
    need("node", "npm")
    folder = ROOT / "build" / "interop-npm"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (ROOT / "interop" / "package-lock.json").read_bytes()
    done = folder / "installed-lock.json"
    if done.exists() and done.read_bytes() == wanted:
        return folder
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "interop" / name, folder / name)
    try:
        got = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, timeout=180,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired:
        raise Skip("npm did not install imapflow within 180 s") from None
    if got.returncode != 0:
        raise Skip("npm cannot install imapflow: " + " / ".join(got.stdout.strip().splitlines()[-2:]))
    done.write_bytes(wanted)
    return folder


def imapflow():
    """Its steps are one program: each line it prints is a test of its own."""
    folder = npm_folder()
    script = ROOT / "interop" / "imapflow_client.mjs"
    facts = {"host": HOST, "imap": server.port["imap"], "imaps": server.port["imaps"],
             "smtp": server.port["smtp"], "user": BOB, "password": PASSWORD,
             "ca": server.certificate.read_text(), "marker": marker("imapflow"),
             "modules": str(folder / "node_modules")}
    done = run(["node", script], stdin=json.dumps(facts), timeout=90, check=False)
    for line in done.stdout.splitlines():
        print(line, flush=True)
    expect(done.returncode == 0, f"imapflow ended with {done.returncode}\n{done.stderr}")
    lines = done.stdout.splitlines()
    expect(not any(line.startswith("not ok ") for line in lines), "a step failed, see above")
    expect(lines and lines[-1] == "done", "imapflow's program did not come to its end\n" + done.stderr)


TESTS = [swaks_injects_at_port_25, swaks_injects_at_port_25_with_STARTTLS, swaks_pipelines,
         swaks_submits_at_587_with_STARTTLS_and_AUTH_PLAIN, swaks_submits_with_AUTH_LOGIN, swaks_submits_at_465,
         swaks_sends_to_a_next_hop, relay_is_refused_to_strangers, submission_is_refused_without_login,
         a_wrong_password_is_refused, a_password_is_not_taken_in_the_clear,
         a_foreign_sender_is_refused_to_a_user, msmtp_submits_at_587, msmtp_submits_at_465, msmtp_injects_at_25,
         curl_submits_at_587, curl_submits_at_465, curl_injects_at_25,
         curl_appends_searches_and_fetches_over_IMAP, curl_is_refused_with_a_wrong_password,
         mbsync_syncs_both_ways_and_a_second_time_transfers_nothing, mbsync_makes_folders_on_both_sides, imapflow]

if __name__ == "__main__":
    with NextHop() as hop, Server(settings={"route.smart_host": hop.address}) as server:
        sys.exit(harness.main(TESTS, lambda: server))
