#!/usr/bin/env python3
"""The command line: init, accounts, settings, and every question about a message that waits."""
import datetime
import re
import signal
import subprocess
import sys
import tempfile
import time

import harness
from harness import (ADMIN, DOMAIN, PASSWORD, POSTHORN, NextHop, Server, Skip, expect, marker, message, run,
                     until)

ALICE = f"alice@{DOMAIN}"
server = None
hop = None


def fails(words, *arguments, status=1):
    """The command is refused with a sentence that has `words` in it, and no stack of anything."""
    done = server.cli(*arguments, check=False)
    expect(done.returncode == status, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
    expect(done.stderr.startswith("posthorn: ") and words in done.stderr,
           f"{arguments} said {done.stderr!r}, not {words!r}")


def login_works(address, password):
    try:
        server.imap(address, password).logout()
        return True
    except harness.imaplib.IMAP4.error:
        return False


# ---- init, accounts, names, settings ----

def init_makes_a_folder_once():
    fresh = Server()
    try:
        done = fresh.init()
        for words in (f"{DOMAIN}.  MX 10 {harness.HOST}.", "v=spf1", "_submissions._tcp", ADMIN):
            expect(words in done.stdout, f"init does not print {words!r}: {done.stdout}")
        expect((fresh.data / "tls" / "key.pem").stat().st_mode & 0o077 == 0, "others may read the key")
        expect(fresh.data.stat().st_mode & 0o077 == 0, "others may look into the data folder")
        before = sorted(fresh.data.rglob("*"))
        again = run([POSTHORN, "init", "--data", fresh.data, "--domain", "other.example", "--admin", "x",
                     "--password-file", fresh.password_file()], check=False)
        expect(again.returncode == 1 and "holds a server already" in again.stderr,
               f"a second init ended with {again.returncode}: {again.stderr}")
        expect(sorted(fresh.data.rglob("*")) == before, "a refused init changed the folder")
    finally:
        fresh.destroy()


def init_refuses_what_it_cannot_use():
    with tempfile.TemporaryDirectory() as folder:
        def init(*arguments):
            return run([POSTHORN, "init", "--data", f"{folder}/data", "--admin", "postmaster", *arguments],
                       check=False)

        secret = f"{folder}/secret"
        with open(secret, "w") as file:
            file.write("x\n")
        for why, arguments in {
                "no password": ["--domain", DOMAIN],
                "a file that is not there": ["--domain", DOMAIN, "--password-file", f"{folder}/absent"],
                "no such setting": ["--domain", DOMAIN, "--password-file", secret, "--set", "no.such=1"],
                "a bad value": ["--domain", DOMAIN, "--password-file", secret, "--set", "listen.smtp=here"],
                "no assignment": ["--domain", DOMAIN, "--password-file", secret, "--set", "listen.smtp"]}.items():
            done = init(*arguments)
            expect(done.returncode == 1 and done.stderr.startswith("posthorn: "),
                   f"init with {why} ended with {done.returncode}: {done.stderr}")


def commands_say_that_no_server_runs():
    with tempfile.TemporaryDirectory() as folder:
        done = run([POSTHORN, "--data", folder, "queue", "list"], check=False)
        expect(done.returncode == 3 and done.stderr.startswith("posthorn: "), f"{done.returncode}: {done.stderr}")
        done = run([POSTHORN, "--data", folder, "serve"], check=False)
        expect(done.returncode == 1 and "posthorn init" in done.stderr, f"{done.returncode}: {done.stderr}")


def a_second_server_on_the_folder_is_refused():
    done = run([POSTHORN, "--data", server.data, "serve"], check=False, timeout=30)
    expect(done.returncode == 1 and "posthorn: " in done.stderr, f"{done.returncode}: {done.stderr}")
    server.cli("tasks")


def accounts():
    carol = f"carol@{DOMAIN}"
    server.cli("account", "add", carol, "--password-file", server.password_file())
    listed = server.cli_json("account", "list")
    expect({ADMIN, ALICE, carol} <= {a["address"] for a in listed}, f"listed {listed}")
    expect(carol in server.cli("account", "list").stdout, "account list as text")
    expect(login_works(carol, PASSWORD), "carol cannot log in")
    fails("exists already", "account", "add", carol, "--password-file", server.password_file())
    server.cli("account", "passwd", carol, "--password-file", server.password_file("another password"))
    expect(login_works(carol, "another password"), "the new password does not work")
    expect(not login_works(carol, PASSWORD), "the old password still works")
    server.cli("account", "remove", carol)
    expect(not login_works(carol, "another password"), "a removed account can log in")
    fails(carol, "account", "passwd", carol, "--password-file", server.password_file())
    fails("", "account", "add", "no address", "--password-file", server.password_file())


def aliases():
    sales = f"sales@{DOMAIN}"
    server.cli("alias", "add", sales, f"{ALICE},bob@{DOMAIN}")
    expect(sales in server.cli("alias", "list").stdout, "alias list")
    text = marker("alias")
    with server.smtp() as client:
        client.sendmail("someone@example.net", [sales], message(text, recipient=sales))
    server.arrived(text, ALICE)
    server.arrived(text, f"bob@{DOMAIN}")
    server.cli("alias", "remove", sales)
    with server.smtp() as client:
        try:
            client.sendmail("someone@example.net", [sales], message(text))
            raise AssertionError("a removed alias takes mail")
        except harness.smtplib.SMTPRecipientsRefused as refused:
            expect(refused.recipients[sales][0] == 550, str(refused))


def settings_are_set_shown_and_refused():
    done = server.cli("set", "queue.expiry", "3 d")
    expect("queue.expiry = 3 d" in done.stdout, done.stdout)
    shown = server.cli_json("get", "queue.expiry")
    expect(not shown["is_default"] and shown["default"] != shown["value"], str(shown))
    expect("queue.schedule" in server.cli("get", "queue.").stdout, "get with a prefix")
    fails("queue.expiry", "set", "queue.expiry", "1 second")
    fails("queue.expiry", "set", "queue.expiry", "soon")
    fails("listen.smtp", "set", "listen.smtp", "nowhere:99999")
    fails("no.such.setting", "set", "no.such.setting", "1")
    expect(server.cli_json("get", "queue.expiry") == shown, "a refused value changed the setting")
    server.cli("reset", "queue.expiry")
    expect(server.cli_json("get", "queue.expiry")["is_default"], "reset")


# ---- a message that waits ----

def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def send_out(text, recipient="someone@example.net"):
    """Over submission to the next hop; its row once the queue has it."""
    with server.submission() as client:
        client.sendmail(ALICE, [recipient], message(text, recipient=recipient))
    return until(lambda: next((r for r in server.waiting() if r["message_id"] == f"{text}@client"), None),
                 "the message is in the queue")


def attempted(text, attempts=1, **wanted):
    """The row once it rests after that many attempts."""
    wanted.setdefault("state", "waiting_retry")

    def look():
        for row in server.waiting():
            if row["message_id"] == f"{text}@client" and row["attempts"] >= attempts and \
                    all(row[name] == value for name, value in wanted.items()):
                return row
        return None
    return until(look, f"{text} rests after {attempts} attempts as {wanted}")


def slow_schedule():
    server.set("queue.schedule", "1 h")
    server.set("queue.lane-failures", "100")


def fast_schedule():
    server.set("queue.schedule", "1 s")


def a_message_for_a_dead_next_hop_is_explained():
    hop.down()
    slow_schedule()
    text = marker("dead")
    send_out(text)
    row = attempted(text, reason="connection_refused")
    why = server.cli_json("why", row["id"])
    mine = why["recipients"][0]
    expect(why["id"] == row["id"] and why["sender"] == ALICE, str(why))
    expect(mine["recipient"] == "someone@example.net", str(mine))
    for name in ("state", "state_text", "reason", "reason_text", "since", "next_action_at", "next_action",
                 "expires_at", "attempts", "history"):
        expect(mine.get(name) not in (None, "", []), f"why does not say {name}: {mine}")
    expect(mine["attempts"] == 1 and len(mine["history"]) == 1, str(mine))
    expect("refused" in mine["history"][0]["text"].lower(), f"the history says {mine['history']}")
    since, following, expiry = (moment(mine[n]) for n in ("since", "next_action_at", "expires_at"))
    expect(datetime.timedelta(minutes=50) < following - since < datetime.timedelta(minutes=70),
           f"the next action is {following - since} after the attempt")
    expect(datetime.timedelta(days=1.9) < expiry - since < datetime.timedelta(days=2.1),
           f"the expiry is {expiry - since} away")
    words = server.cli("why", row["id"]).stdout
    for part in (mine["state"], mine["reason"], mine["reason_text"], mine["since"], mine["next_action_at"],
                 mine["expires_at"], mine["history"][0]["text"], "attempts"):
        expect(part in words, f"why as text lacks {part!r}:\n{words}")
    for name in (f"{text}@client", f"<{text}@client>"):
        expect(server.cli_json("why", name)["id"] == row["id"], f"why {name}")
    listed = server.cli("queue", "list").stdout
    for part in (row["id"], mine["state"], mine["reason"], ALICE, "someone@example.net"):
        expect(part in listed, f"queue list lacks {part!r}:\n{listed}")
    expect(server.cli_json("queue", "list", "--recipient", "someone@")["rows"][0]["id"] == row["id"], "filter")
    expect(server.cli_json("queue", "list", "--recipient", "nobody@")["rows"] == [], "filter without a match")
    counts = server.cli_json("queue", "counts")
    expect(any(c["state"] == mine["state"] and c["reason"] == mine["reason"] for c in counts), str(counts))
    server.cli("queue", "remove", row["id"])


def a_deferring_next_hop_is_quoted():
    hop.behaviour = "defer"
    hop.up()
    try:
        slow_schedule()
        text = marker("deferred")
        send_out(text)
        row = attempted(text, reason="peer_4xx")
        words = server.cli("why", row["id"]).stdout
        expect("451" in words and "4.2.1" in words and hop.words in words, f"why lacks the peer's words:\n{words}")
        server.cli("queue", "remove", row["id"])
    finally:
        hop.behaviour = "accept"
        hop.down()


def it_goes_out_by_itself_once_the_next_hop_lives():
    hop.down()
    fast_schedule()
    text = marker("revived")
    send_out(text)
    row = attempted(text, attempts=2)
    hop.up()
    hop.until_taken(lambda taken: any(text.encode() in octets for _, _, octets in taken), text)
    until(lambda: server.cli_json("why", row["id"])["recipients"][0]["state"] == "relayed", "it is relayed")
    expect(sum(text.encode() in octets for _, _, octets in hop.taken) == 1, "it came twice")
    expect(not any(r["id"] == row["id"] for r in server.waiting()), "it is still in the queue list")
    hop.down()


def many_go_out_as_soon_as_their_time_comes():
    """Not only when somebody looks: 40 retries of 2 s are over long before any periodic look."""
    hop.down()
    server.set("queue.schedule", "2 s")
    texts = [marker("many") for _ in range(40)]
    with server.submission() as client:
        for text in texts:
            client.sendmail(ALICE, ["someone@example.net"], message(text))
    for text in texts:
        attempted(text)
    hop.up()
    hop.until_taken(lambda taken: all(any(t.encode() in octets for _, _, octets in taken) for t in texts),
                    "all that waited", seconds=15)
    server.until_queue_is_empty()
    hop.down()


def the_schedule_acts_on_what_waits_already():
    hop.down()
    slow_schedule()
    text = marker("rescheduled")
    send_out(text)
    attempted(text)
    hop.up()
    fast_schedule()
    hop.until_taken(lambda taken: any(text.encode() in octets for _, _, octets in taken), text)
    hop.down()


def hold_release_retry_remove():
    hop.down()
    slow_schedule()
    text = marker("controlled")
    send_out(text)
    row = attempted(text)
    held = server.cli("queue", "hold", row["id"], "--reason", "looks odd").stdout
    expect("held" in held, held)
    mine = server.cli_json("why", row["id"])["recipients"][0]
    expect(mine["state"] == "held" and mine["reason"] == "held_by_administrator", str(mine))
    expect("looks odd" in mine["held_by"] and mine["next_action_at"] and mine["expires_at"], str(mine))
    hop.up()
    before = hop.connections
    server.cli("queue", "release", row["id"])
    hop.until_taken(lambda taken: any(text.encode() in octets for _, _, octets in taken), text)
    expect(hop.connections > before, "released")
    hop.down()

    text = marker("retried")
    send_out(text)
    row = attempted(text)
    hop.up()
    # The lane may have found the hop alive by itself a moment before: then the message is on its way.
    retried = server.cli("queue", "retry", row["id"], check=False)
    on_its_way = any(words in retried.stderr for words in ("it has ended", "not possible while in_flight"))
    expect(retried.returncode == 0 or on_its_way, retried.stderr)
    hop.until_taken(lambda taken: any(text.encode() in octets for _, _, octets in taken), text)
    hop.down()

    text = marker("removed")
    send_out(text)
    row = attempted(text)
    server.cli("queue", "remove", row["id"], "--reason", "not wanted")
    expect(not any(r["id"] == row["id"] for r in server.waiting()), "a removed message is listed")
    expect(server.cli_json("why", row["id"])["recipients"][0]["reason"] == "removed_by_administrator", "why")
    fails("", "queue", "release", row["id"])
    fails("", "why", "no-such-message@client")
    fails("", "queue", "hold", "AAAAAAAAAA")


def many_are_held_released_and_removed():
    hop.down()
    slow_schedule()
    texts = [marker("bulk") for _ in range(5)]
    for text in texts:
        send_out(text, recipient="bulk@example.net")
    for text in texts:
        attempted(text)
    chosen = ["--recipient", "bulk@"]
    expect(server.cli("queue", "hold", check=False).returncode != 0, "hold without saying what")
    dry = server.cli("queue", "hold", *chosen, "--dry-run").stdout
    expect("5 would be changed" in dry and "waiting_retry" in dry, dry)
    done = server.cli_json("queue", "hold", *chosen, "--for", "2h", "--reason", "a look")
    expect(done["changed"] == 5 and done["after"][0]["state"] == "held", str(done))
    remarks = server.cli("doctor").stdout
    expect("Paused on purpose" in remarks and "a look" in remarks, remarks)
    expect(server.cli_json("queue", "release", *chosen)["changed"] == 5, "release")
    for text in texts:
        attempted(text, attempts=2)
    expect("5 changed" in server.cli("queue", "remove", *chosen).stdout, "remove")
    expect(server.cli_json("queue", "list", *chosen)["rows"] == [], "they are gone")
    entries = server.cli_json("queue", "audit", "--limit", "3")
    expect([e["what"] for e in entries] == ["remove", "release", "hold"], str(entries))


def a_lane_is_suspended_and_resumed():
    hop.down()
    slow_schedule()
    text = marker("lane")
    send_out(text)
    row = attempted(text)
    fails("not suspended", "queue", "resume-lane", row["lane"])
    server.cli("queue", "suspend-lane", row["lane"], "--for", "1h", "--reason", "their wish")
    row = attempted(text, state="held", reason="lane_suspended")
    listed = server.cli("queue", "lanes").stdout
    expect("suspended" in listed and "their wish" in listed, listed)
    hop.up()
    server.cli("queue", "resume-lane", row["lane"])
    hop.until_taken(lambda taken: any(text.encode() in octets for _, _, octets in taken), text)
    hop.down()


def a_way_is_traced():
    hop.down()
    slow_schedule()
    text = marker("traced")
    send_out(text)
    row = attempted(text)
    server.cli("queue", "hold", row["id"], "--reason", "a look")
    server.cli("queue", "remove", row["id"])
    words = server.cli("trace", f"{text}@client").stdout
    for part in ("accepted", "submission", "waiting_retry", "reply", "held", "hold by", "removed", "ended"):
        expect(part in words, f"trace lacks {part!r}:\n{words}")


def what_is_redirected_arrives():
    hop.down()
    slow_schedule()
    text = marker("redirected")
    send_out(text)
    row = attempted(text)
    server.cli("queue", "redirect", row["id"], "--to", ALICE)
    server.arrived(text, ALICE)
    fails("", "queue", "redirect", row["id"], "--to", ALICE)


def exports_come_back_once():
    hop.down()
    slow_schedule()
    text = marker("exported")
    send_out(text)
    row = attempted(text)
    with tempfile.TemporaryDirectory() as folder:
        server.cli("queue", "export", row["id"], "--to", folder)
        fails("still waits", "queue", "import", folder)
        server.cli("queue", "remove", row["id"])
        first = server.cli_json("queue", "import", folder)["imported"][0]
        expect(first["recipients"][0]["recipient"] == "someone@example.net" and first["sender"] == ALICE, str(first))
        again = server.cli_json("queue", "import", folder)["imported"][0]
        expect(again["known_already"] and again["id"] == first["id"], str(again))
        before = open(f"{folder}/{row['id']}.eml", "rb").read()
        server.cli("queue", "export", first["id"], "--to", f"{folder}/again")
        expect(open(f"{folder}/again/{first['id']}.eml", "rb").read() == before, "the octets differ")
        server.cli("queue", "remove", first["id"])
        plain = marker("plain")
        with open(f"{folder}/plain.eml", "w") as file:
            file.write(f"Subject: {plain}\n\nHello.\n")
        fails("--from and --to", "queue", "import", f"{folder}/plain.eml")
        server.cli("queue", "import", f"{folder}/plain.eml", "--from", "<>", "--to", ALICE)
        server.arrived(plain, ALICE)


def what_waits_is_flushed():
    hop.down()
    slow_schedule()
    texts = [marker("flush") for _ in range(3)]
    for text in texts:
        send_out(text)
    for text in texts:
        attempted(text)
    hop.up()
    server.cli("queue", "flush")
    hop.until_taken(lambda taken: all(any(t.encode() in octets for _, _, octets in taken) for t in texts), "flush")
    hop.down()


def settings_that_contradict_are_named():
    server.set("queue.delay-notice", "3 d")
    done = server.cli("doctor").stdout
    expect("queue.delay-notice" in done and "queue.expiry" in done, done)
    server.cli("reset", "queue.delay-notice")


def a_refused_message_comes_back_to_its_sender():
    hop.behaviour = "refuse"
    hop.up()
    try:
        fast_schedule()
        text = marker("bounced")
        with server.submission() as client:
            client.sendmail(ALICE, ["someone@example.net"], message(text))
        report = server.arrived(text, ALICE)
        for part in (b"multipart/report", b"message/delivery-status", b"Status: 5.7.1", hop.words.encode(),
                     b"someone@example.net"):
            expect(part in report, f"the report lacks {part!r}:\n{report.decode(errors='replace')}")
    finally:
        hop.behaviour = "accept"
        hop.down()


# ---- the whole ----

def doctor_finds_nothing():
    done = server.cli("doctor")
    expect(done.stdout.startswith("No findings"), done.stdout)
    expect(server.cli_json("doctor")["findings"] == [], "doctor as JSON")


def tasks_and_metrics_are_shown():
    expect("WAITS FOR" in server.cli("tasks").stdout, "tasks")
    expect(all(t["waits_for"] for t in server.cli_json("tasks")), "a task waits for nothing")
    figures = server.cli("metrics").stdout
    timed = re.search(r"^posthorn_kv_commit_seconds_count (\d+)$", figures, re.MULTILINE)
    expect(timed and int(timed[1]) > 0, "no commit was timed, and nobody has read the metrics page")


def settled(name):
    """What `why` says once it says the same twice: a lane that was asked to look ahead has done so."""
    before = server.cli_json("why", name)
    for _ in range(50):
        time.sleep(0.3)
        now = server.cli_json("why", name)
        if now == before:
            return now
        before = now
    raise AssertionError("it does not come to rest")


def a_restart_finds_everything_again():
    hop.down()
    slow_schedule()
    text = marker("restart")
    send_out(text)
    row = attempted(text)
    inside = marker("restart-mailbox")
    with server.smtp() as client:
        client.sendmail("someone@example.net", [ALICE], message(inside))
    server.arrived(inside, ALICE)
    before = settled(row["id"])
    settings, people = server.cli_json("get", ""), server.cli_json("account", "list")
    server.stop()
    server.start()
    after = server.cli_json("why", row["id"])
    expect(after == before, f"why answers differently after a restart: {after}, not {before}")
    expect(server.cli_json("get", "") == settings, "the settings differ after a restart")
    expect(server.cli_json("account", "list") == people, "the accounts differ after a restart")
    server.arrived(inside, ALICE)
    server.kill()
    server.start()
    after = server.cli_json("why", row["id"])
    expect(after == before, f"why answers differently after a kill: {after}, not {before}")
    hop.up()
    # The lane may have found the hop alive by itself a moment before: then the message is on its way.
    retried = server.cli("queue", "retry", row["id"], check=False)
    on_its_way = any(words in retried.stderr for words in ("it has ended", "not possible while in_flight"))
    expect(retried.returncode == 0 or on_its_way, retried.stderr)
    hop.until_taken(lambda taken: any(text.encode() in octets for _, _, octets in taken), text)
    hop.down()
    doctor_finds_nothing()


def the_demo_starts_and_ends_and_starts_again():
    for port in (2525, 2587, 2465, 2143, 2993, 2526, 2925):
        with harness.socket.socket() as probe:
            probe.setsockopt(harness.socket.SOL_SOCKET, harness.socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise Skip(f"port {port} of the demo is taken here") from None
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            demo = subprocess.Popen([POSTHORN, "--data", f"{folder}/demo", "demo"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    preexec_fn=harness._die_with_parent)
            try:
                lines = []
                for line in demo.stdout:
                    lines.append(line)
                    if line.startswith("Ctrl-C"):
                        break
                expect(any("swaks --server 127.0.0.1:2587" in line for line in lines), "".join(lines))
                text = marker("demo")
                with harness.smtplib.SMTP("127.0.0.1", 2525, timeout=30) as client:
                    client.sendmail("x@example.net", [ALICE], message(text))
                done = run([POSTHORN, "--data", f"{folder}/demo", "account", "list"])
                expect(ALICE in done.stdout, done.stdout)
                demo.send_signal(signal.SIGINT)
                expect(demo.wait(40) == 0, f"the demo ended with {demo.returncode}")
            finally:
                if demo.poll() is None:
                    demo.kill()
                    demo.wait()
                demo.stdout.close()


TESTS = [init_makes_a_folder_once, init_refuses_what_it_cannot_use, commands_say_that_no_server_runs,
         a_second_server_on_the_folder_is_refused, accounts, aliases, settings_are_set_shown_and_refused,
         a_message_for_a_dead_next_hop_is_explained, a_deferring_next_hop_is_quoted,
         it_goes_out_by_itself_once_the_next_hop_lives, many_go_out_as_soon_as_their_time_comes,
         the_schedule_acts_on_what_waits_already, hold_release_retry_remove,
         many_are_held_released_and_removed, a_way_is_traced,
         what_is_redirected_arrives, exports_come_back_once, what_waits_is_flushed,
         settings_that_contradict_are_named, a_refused_message_comes_back_to_its_sender, tasks_and_metrics_are_shown, doctor_finds_nothing,
         a_restart_finds_everything_again, a_lane_is_suspended_and_resumed,
         the_demo_starts_and_ends_and_starts_again]

if __name__ == "__main__":
    hop = NextHop()
    with Server(settings={"route.smart_host": hop.address, "queue.jitter": "0"}) as server:
        sys.exit(harness.main(TESTS, lambda: server))
