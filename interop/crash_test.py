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

KILLS = 20
MESSAGES = 2000
PEOPLE = [f"{name}@{DOMAIN}" for name in ("alice", "bob", "carol")]
SEED = next((int(a[7:]) for a in sys.argv if a.startswith("--seed=")), random.getrandbits(32))
sys.argv = [a for a in sys.argv if not a.startswith("--seed=")]
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
    """A submission goes from its Outbox to the queue a moment after its 250."""
    def all_there():
        client = server.imap(PEOPLE[0], select=None)
        try:
            return not re.search(r"MESSAGES [1-9]", str(imap_ok(client.status("Outbox", "(MESSAGES)"))))
        finally:
            client.logout()
    until(all_there, "the Outbox is empty", 60)
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


if __name__ == "__main__":
    print(f"  seed {SEED}", flush=True)
    sys.exit(harness.main([acknowledged_mail_is_in_the_mailbox_exactly_once,
                           acknowledged_mail_reaches_the_next_hop], lambda: current))
