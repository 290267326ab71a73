#!/usr/bin/env python3
"""250 means on disk: kill -9 at random moments under load, and what was acknowledged is there.

Into mailboxes: every acknowledged message is there once at each recipient, whole; one that was not
acknowledged at most once. To a next hop: every acknowledged message comes at least once, and more than
once only when the queue says that it may have been delivered before.

The seed is printed; give it as --seed=N to have the same kills and messages (the machine's timing is
its own).
"""
import collections
import hashlib
import random
import re
import sys
import time

import harness
import wire
from harness import DOMAIN, NextHop, Server, expect, imap_ok, until

def option(name, otherwise):
    """The value of `--name N` or `--name=N`, taken out of the command line."""
    for at, argument in enumerate(sys.argv):
        if argument == f"--{name}" or argument.startswith(f"--{name}="):
            value = argument.partition("=")[2] or sys.argv[at + 1]
            del sys.argv[at:at + (1 if "=" in argument else 2)]
            return int(value)
    return otherwise


KILLS = 20
KILLS_OF_ALL = option("kills", 40)
MESSAGES = 2000
PEOPLE = [f"{name}@{DOMAIN}" for name in ("alice", "bob", "carol")]
SEED = option("seed", random.getrandbits(32))
WAYS = [wire.one_message_a_connection] * 3 + [wire.many_messages_a_connection] * 2 + \
       [wire.pipelined, wire.chunked, wire.submitted, wire.submitted]
# Kills follow one another far faster than anywhere else: none of these messages is poison.
SETTINGS = {"queue.poison-after": "100", "queue.schedule": "1 s", "queue.jitter": "0"}
current = None


def kill_at_a_random_moment(server, chance):
    time.sleep(chance.random() * 0.02)  # not a wait for anything: the moment itself
    server.kill()


def start_again(server, chance):
    """Now and then the server is killed while it is starting, too."""
    while chance.random() < 0.25:
        server.launch()
        time.sleep(chance.random() * 0.5)
        server.kill()
    server.start()


def load_with_kills(server, load, chance):
    for _ in range(KILLS):
        load.running.set()
        load.until_acknowledged(len(load.acknowledged) + chance.randrange(1, 2 * MESSAGES // KILLS))
        load.running.clear()
        kill_at_a_random_moment(server, chance)
        start_again(server, chance)
    load.running.set()
    load.until_acknowledged(MESSAGES)
    load.stop()


def found_in(server, person):
    """Markers in a mailbox with how often; every message's body must be what was sent."""
    counts = collections.Counter()
    client = server.imap(person)
    uids = imap_ok(client.uid("SEARCH", "ALL"))[0].split()
    for at in range(0, len(uids), 200):
        answer = imap_ok(client.uid("FETCH", b",".join(uids[at:at + 200]).decode(), "(BODY.PEEK[])"))
        for octets in (part[1] for part in answer if isinstance(part, tuple)):
            counts[undamaged(octets, person)] += 1
    client.logout()
    return counts


def marked(octets):
    return re.search(rb"X-Marker: (\S+)", octets).group(1).decode()


def undamaged(octets, where):
    """The marker of a message whose body is what was sent."""
    head, _, body = octets.partition(b"\r\n\r\n")
    digest = re.search(rb"X-Digest: (\S+)", head).group(1).decode()
    expect(hashlib.sha256(body).hexdigest() == digest, f"{marked(head)} at {where} is damaged")
    return marked(head)


def first_few(marks):
    return f"{len(marks)}, e.g. {sorted(marks)[:3]}" if marks else ""


def acknowledged_mail_is_in_the_mailbox_exactly_once():
    global current
    chance = random.Random(SEED)

    def recipients(chance):
        return chance.sample(PEOPLE, 2 if chance.random() < 0.1 else 1)

    with Server(accounts=("alice", "bob", "carol"), settings=SETTINGS) as server:
        current = server
        load = wire.Load(server, recipients, WAYS, SEED)
        load_with_kills(server, load, chance)
        server.until_queue_is_empty()
        wait_for_outboxes(server, load)
        missing, twice = set(), set()
        found = {person: found_in(server, person) for person in PEOPLE}
        for mark, wanted in load.sent.items():
            for person in PEOPLE:
                count = found[person][mark]
                if count > 1 or (count and person not in wanted):
                    twice.add((mark, person, count))
                if not count and person in wanted and mark in load.acknowledged:
                    missing.add((mark, person, load.acknowledged[mark]))
        strangers = {m for counts in found.values() for m in counts if m not in load.sent}
        print(f"  {len(load.acknowledged)} acknowledged of {len(load.sent)} sent, {KILLS} kills, "
              f"{len(load.refused)} refused", flush=True)
        expect(not missing, "acknowledged and missing: " + first_few(missing))
        expect(not twice, "found twice: " + first_few(twice))
        expect(not strangers, "never sent: " + first_few(strangers))
        expect(not load.refused, f"refused: {load.refused[:3]}")
        expect(server.control("doctor.run")["findings"] == [], str(server.control("doctor.run")))
        server.stop()


def wait_for_outboxes(server, load):
    """A submission goes from its Outbox to the queue a moment after its 250, and leaves the Outbox when it is
    next asked about after its end."""
    client = server.imap(PEOPLE[0], select=None)
    until(lambda: not re.search(r"MESSAGES [1-9]", str(imap_ok(client.status("Outbox", "(MESSAGES)")))),
          "the Outbox is empty", 180)
    client.logout()
    server.until_queue_is_empty()


def acknowledged_mail_reaches_the_next_hop():
    global current
    chance = random.Random(SEED + 1)
    settings = dict(SETTINGS, **{"smtp.relay_networks": "127.0.0.0/8", "queue.lane-failures": "100"})
    with NextHop() as hop, Server(settings=dict(settings, **{"route.smart_host": hop.address})) as server:
        current = server
        load = wire.Load(server, lambda chance: [f"r{chance.randrange(1000)}@example.net"], WAYS, SEED)
        load_with_kills(server, load, chance)
        # What was submitted may have to be looked at in its Outbox first.
        until(lambda: not load.acknowledged.keys() - {marked(octets) for _, _, octets in list(hop.taken)},
              "what was acknowledged is at the next hop", 60)
        server.until_queue_is_empty(90)
        counts = collections.Counter(undamaged(octets, "the next hop") for _, _, octets in hop.taken)
        repeated = [mark for mark, count in counts.items() if count > 1]
        print(f"  {len(load.acknowledged)} acknowledged of {len(load.sent)} sent, {KILLS} kills, "
              f"{len(repeated)} arrived more than once, {len(load.refused)} refused", flush=True)
        missing = [m for m in load.acknowledged if not counts[m]]
        expect(not missing, "acknowledged and missing: " + first_few(missing))
        unmarked = [m for m in repeated if not all(
            row["maybe_delivered"] for row in server.control("queue.why", message=f"{m}@client")["recipients"])]
        expect(not unmarked, "repeated, but not marked maybe_delivered: " + first_few(unmarked))
        expect(not load.refused, f"refused: {load.refused[:3]}")
        expect(server.control("doctor.run")["findings"] == [], str(server.control("doctor.run")))
        server.stop()


# ---- everything at once ----

class Fates:
    """What becomes of a recipient is told by the first word of its address; each has its own address."""

    far = {"ok": 40, "later": 25, "cut": 10, "never": 25}  # in percent

    def __init__(self):
        self._asked = collections.Counter()

    def recipients(self, chance):
        """One to three, most of them at the next hop."""
        chosen = chance.sample(PEOPLE, 1) if chance.random() < 0.3 else []
        for _ in range(chance.choice((1, 1, 1, 2))):
            word = chance.choices(list(self.far), list(self.far.values()))[0]
            chosen.append(f"{word}-{harness.marker('to')}@far.example.net")
        return chosen

    def judge(self, recipient):
        """The next hop's behaviour for a recipient."""
        word = recipient.partition("-")[0]
        self._asked[recipient] += 1
        if word == "never":
            return "refuse"
        if word == "later" and self._asked[recipient] <= 2:
            return "defer"
        if word == "cut" and self._asked[recipient] <= 1:
            return "lose"
        return "accept"


def kill_again_and_again(server, load, chance):
    """Half of the kills fall into the load, half into what goes on when it is quiet; how many there were."""
    kills = 0
    while kills < KILLS_OF_ALL:
        load.running.set()
        load.until_acknowledged(len(load.acknowledged) + chance.randrange(1, 40))
        if chance.random() < 0.5:
            load.running.clear()
            time.sleep(chance.random() * 1.3)  # a retry step and a little more: the moment itself
        kill_at_a_random_moment(server, chance)
        kills += 1
        while kills < KILLS_OF_ALL and chance.random() < 0.2:
            server.launch()
            time.sleep(chance.random() * 0.5)
            server.kill()
            kills += 1
        server.start()
    load.running.set()
    load.until_acknowledged(len(load.acknowledged) + 50)
    load.stop()
    return kills


def is_report(octets):
    return b"report-type=delivery-status" in octets.partition(b"\r\n\r\n")[0]


def failures_in(report):
    """The recipients that a report names as failed, and its Message-ID."""
    name = re.search(rb"(?im)^Message-ID:\s*<([^>]+)>", report).group(1).decode()
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", report)
    return name, [r.decode() for r in re.findall(rb"(?im)^Final-Recipient: rfc822; ?(\S+)\r$", unfolded)]


def reports_made(server, hop):
    """Failed recipient -> the Message-IDs of the reports on it; and how often each report arrived."""
    by_recipient = collections.defaultdict(set)
    arrived = collections.Counter()
    reports = [octets for octets in server.messages(PEOPLE[0]) if is_report(octets)]
    reports += [octets for sender, _, octets in hop.taken if sender == "" and is_report(octets)]
    for octets in reports:
        name, recipients = failures_in(octets)
        arrived[name] += 1
        for recipient in recipients:
            by_recipient[recipient].add(name)
    return by_recipient, arrived


def may_have_arrived_before(server, message, recipient):
    return all(row["maybe_delivered"] for row in server.control("queue.why", message=message)["recipients"]
               if row["recipient"] == recipient)


def found_at(hop):
    """(marker, recipient) -> how often the next hop took it."""
    counts = collections.Counter()
    for sender, recipients, octets in hop.taken:
        if sender != "" or not is_report(octets):
            counts.update((undamaged(octets, "the next hop"), recipient) for recipient in recipients)
    return counts


def mailbox_markers(server, person):
    return collections.Counter(undamaged(octets, person) for octets in server.messages(person)
                               if not is_report(octets))


def compare_with_what_was_sent(server, hop, load):
    taken = found_at(hop)
    boxes = {person: mailbox_markers(server, person) for person in PEOPLE}
    missing, twice, strange = set(), set(), set()
    for mark, recipients in load.sent.items():
        for recipient in recipients:
            count = boxes[recipient][mark] if recipient in boxes else taken[mark, recipient]
            if recipient.startswith("never-"):
                strange |= {(mark, recipient)} if count else set()
            elif not count and mark in load.acknowledged:
                missing.add((mark, recipient, load.acknowledged[mark]))
            elif count > 1 and (recipient in boxes or
                                not may_have_arrived_before(server, f"{mark}@client", recipient)):
                twice.add((mark, recipient, count))
    for person, counts in boxes.items():
        strange |= {(mark, person) for mark in counts if person not in load.sent.get(mark, ())}
    expect(not missing, "acknowledged and missing: " + first_few(missing))
    expect(not twice, "found twice, and not marked maybe_delivered: " + first_few(twice))
    expect(not strange, "at somebody to whom it should not go: " + first_few(strange))
    return sum(1 for count in taken.values() if count > 1)


def compare_reports(server, hop, load):
    by_recipient, arrived = reports_made(server, hop)
    missing, several, wrong = set(), set(), set()
    for mark, recipients in load.sent.items():
        for recipient in recipients:
            made = by_recipient.pop(recipient, set())
            if not recipient.startswith("never-"):
                wrong |= {(mark, recipient)} if made else set()
            elif not made and mark in load.acknowledged:
                missing.add((mark, recipient))
            elif len(made) > 1:
                several.add((mark, recipient, *made))
    repeated = [name for name, count in arrived.items() if count > 1 and not all(
        row["maybe_delivered"] for row in server.control("queue.why", message=name)["recipients"])]
    expect(not missing, "failed and not reported: " + first_few(missing))
    expect(not several, "reported by several reports: " + first_few(several))
    expect(not wrong, "reported and not failed: " + first_few(wrong))
    expect(not by_recipient, "reports on recipients that were never sent to: " + first_few(by_recipient))
    expect(not repeated, "a report arrived twice and is not marked maybe_delivered: " + first_few(repeated))
    return len(arrived)


def nothing_is_lost_whatever_goes_on_at_a_kill():
    global current
    chance = random.Random(SEED + 2)
    fates = Fates()
    settings = dict(SETTINGS, **{"smtp.relay_networks": "127.0.0.0/8", "queue.lane-failures": "100"})
    with NextHop(judge=fates.judge) as hop, Server(
            accounts=("alice", "bob", "carol"), settings=dict(settings, **{"route.smart_host": hop.address})) as server:
        current = server
        load = wire.Load(server, fates.recipients, WAYS, SEED)
        kills = kill_again_and_again(server, load, chance)
        server.until_queue_is_empty(120)
        wait_for_outboxes(server, load)
        repeated = compare_with_what_was_sent(server, hop, load)
        reports = compare_reports(server, hop, load)
        print(f"  {len(load.acknowledged)} acknowledged of {len(load.sent)} sent, {kills} kills, {repeated} copies "
              f"arrived more than once, {reports} reports, {len(load.refused)} refused", flush=True)
        expect(not load.refused, f"refused: {load.refused[:3]}")
        expect(server.control("doctor.run")["findings"] == [], str(server.control("doctor.run")))
        server.stop()


if __name__ == "__main__":
    print(f"  seed {SEED}", flush=True)
    sys.exit(harness.main([acknowledged_mail_is_in_the_mailbox_exactly_once,
                           acknowledged_mail_reaches_the_next_hop,
                           nothing_is_lost_whatever_goes_on_at_a_kill], lambda: current))
