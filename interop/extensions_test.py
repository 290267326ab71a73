#!/usr/bin/env python3
"""What a sender may ask for, from a client that shares no code with the server: Python's smtplib.

MT-PRIORITY (RFC 6710), DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865) and DSN (RFC 3461).
"""
import email
import email.policy
import re
import sys
import time

from harness import DOMAIN, NextHop, Server, expect, main, marker, message, until

ALICE, BOB, CAROL = f"alice@{DOMAIN}", f"bob@{DOMAIN}", "carol@far.example.net"
EVERYTHING = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "MT-PRIORITY", "DELIVERBY 1")
server = None
hop = None


def send(subject, options=(), recipient=CAROL, recipient_options=()):
    with server.submission() as client:
        client.sendmail(ALICE, [recipient], message(subject, recipient=recipient), mail_options=options,
                        rcpt_options=recipient_options)


def waiting(subject, **wanted):
    """The row once it rests so."""
    def look():
        return [row for row in server.waiting() if row["message_id"] == f"{subject}@client" and
                all(row[name] == value for name, value in wanted.items())]
    return until(look, f"{subject} is {wanted}")[0]


def passed_on(subject):
    """What the next hop was told of the message: the parameters of MAIL and of RCPT."""
    hop.until_taken(lambda taken: any(subject.encode() in octets for _, _, octets in taken), subject)
    return hop.said[-2].partition("> ")[2], hop.said[-1].partition("> ")[2]


def report_about(subject):
    """The fields of the message and of the recipient."""
    octets = server.arrived(f"<{subject}@client>", ALICE)
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    _, status, _ = parsed.iter_parts()
    return status.get_payload()


def the_extensions_are_offered():
    with server.submission() as client:
        client.ehlo()
        offered = client.esmtp_features
        expect("mt-priority" in offered and "deliverby" in offered and "dsn" in offered, offered)
        expect(re.fullmatch(r"\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", offered["futurerelease"]), offered)
    with server.smtp() as client:
        client.ehlo()
        expect("futurerelease" not in client.esmtp_features, "strangers are offered holds")
        code, text = client.mail("someone@example.net", ["HOLDFOR=5"])
        expect(code == 555, f"{code} {text}")


def a_priority_is_shown_and_passed_on():
    subject = marker("urgent")
    hop.behaviour, hop.offers = "defer", EVERYTHING
    send(subject, ["MT-PRIORITY=3"])
    row = waiting(subject, state="waiting_retry")
    expect(row["priority"] == "high", row)
    expect(server.control("queue.why", message=row["id"])["priority"] == 3, "why tells another priority")
    shown = server.cli("queue", "list", "--priority", "high").stdout
    expect(row["id"] in shown, shown)
    expect(row["id"] not in server.cli("queue", "list", "--priority", "normal").stdout, "it is normal, too")
    expect(re.search(r"priority\s+high", server.cli("why", row["id"]).stdout), "why does not say so")
    hop.behaviour = "accept"
    mail, _ = passed_on(subject)
    expect("MT-PRIORITY=3" in mail.split(), mail)


def a_priority_beyond_the_limit_is_lowered_and_said():
    with server.submission() as client:
        client.ehlo()
        code, text = client.mail(ALICE, ["MT-PRIORITY=9"])
        expect(code == 250 and text.startswith(b"2.3.6 4"), f"{code} {text}")


def a_hold_rests_as_scheduled_and_ends_by_itself():
    short, until_then = marker("hold"), marker("until")
    began = time.monotonic()
    send(short, ["HOLDFOR=5"], BOB)
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
    send(until_then, [f"HOLDUNTIL={then}"])
    for subject in (short, until_then):
        row = waiting(subject, state="scheduled")
        expect(row["reason"] == "future_release", row)
    expect(not [octets for octets in server.messages() if short.encode() in octets], "it is there already")
    server.arrived(short)
    expect(time.monotonic() - began >= 4.9, "it left too early")
    mail, _ = passed_on(until_then)
    expect("HOLD" not in mail, f"the hold was passed on: {mail}")


def a_hold_can_be_ended_by_hand():
    subject = marker("released")
    send(subject, ["HOLDFOR=3600"], BOB)
    row = waiting(subject, state="scheduled")
    server.cli("queue", "release", row["id"])
    server.arrived(subject)


def what_is_asked_for_goes_to_a_next_hop_that_offers_it():
    subject = marker("onward")
    hop.behaviour, hop.offers = "accept", EVERYTHING
    send(subject, ["BY=600;RT", "RET=HDRS", "ENVID=QQ+2B1"], CAROL,
         ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Carol+2Bx@far.example.net"])
    mail, recipient = passed_on(subject)
    expect("RET=HDRS" in mail and "ENVID=QQ+2B1" in mail, mail)
    expect("NOTIFY=SUCCESS,FAILURE" in recipient and "ORCPT=rfc822;Carol+2Bx@far.example.net" in recipient,
           recipient)
    left = re.search(r"\bBY=(\d+);RT", mail)
    expect(left and 590 <= int(left[1]) <= 600, mail)
    _, traced = report_about(subject)  # the T
    expect(traced["Action"] == "relayed", traced.as_string())


def a_next_hop_without_DELIVERBY_makes_no_promise():
    hop.behaviour, hop.offers = "accept", ("8BITMIME",)
    returned, relayed = marker("promise"), marker("notify")
    send(returned, ["BY=600;R"])
    _, recipient = report_about(returned)
    expect(recipient["Action"] == "failed" and recipient["Status"] == "5.4.7", recipient.as_string())
    expect(all(returned.encode() not in octets for _, _, octets in hop.taken), "it was relayed all the same")
    send(relayed, ["BY=600;N"])
    _, recipient = report_about(relayed)
    expect(recipient["Action"] == "relayed" and recipient["Status"].startswith("2."), recipient.as_string())


def what_is_malformed_is_refused():
    bad_mail = ["MT-PRIORITY=10", "MT-PRIORITY=-10", "MT-PRIORITY=x", "MT-PRIORITY", "BY=5", "BY=5;X", "BY=0;R",
                "BY=-1;R", "BY=;R", "BY=1234567890;N", "BY=5;RX", "HOLDFOR=0", "HOLDFOR=x", "HOLDFOR=1234567890",
                "HOLDFOR=99999999", "HOLDUNTIL=tomorrow", "HOLDUNTIL=2026-02-30T00:00:00Z",
                "HOLDFOR=5 HOLDUNTIL=2030-01-01T00:00:00Z", "HOLDFOR=20 BY=10;R", "HOLDFOR=5 HOLDFOR=5", "RET=SOME",
                "ENVID=a+ZZ", "PRIORITY=3"]
    bad_rcpt = ["NOTIFY=NEVER,SUCCESS", "NOTIFY=NOW", "NOTIFY=", "ORCPT=carol@far.example.net", "BY=5;R"]
    for options in bad_mail:
        with server.submission() as client:
            client.ehlo()
            code, text = client.mail(ALICE, options.split())
            expect(code in (501, 555), f"{options}: {code} {text}")
            expect(client.mail(ALICE)[0] == 250, "the session goes on")
    for options in bad_rcpt:
        with server.submission() as client:
            client.ehlo()
            client.mail(ALICE)
            code, text = client.rcpt(CAROL, options.split())
            expect(code in (501, 555), f"{options}: {code} {text}")
            expect(client.rcpt(CAROL)[0] == 250, "the session goes on")


def what_is_late_goes_back_or_is_told_of():
    returned, told = marker("late"), marker("slow")
    hop.behaviour, hop.offers = "defer", EVERYTHING
    send(returned, ["BY=2;R"])
    send(told, ["BY=2;N"])
    about, recipient = report_about(returned)
    expect(recipient["Action"] == "failed" and recipient["Status"] == "5.4.7", recipient.as_string())
    expect(about["Deliver-By-Date"] is not None, about.as_string())
    expect(not [row for row in server.waiting() if row["message_id"] == f"{returned}@client"], "it waits still")
    _, recipient = report_about(told)
    expect(recipient["Action"] == "delayed" and recipient["Status"] == "4.4.7", recipient.as_string())
    waiting(told, state="waiting_retry")
    hop.behaviour = "accept"
    mail, _ = passed_on(told)
    expect(re.search(r"\bBY=(-\d+|0);N", mail), mail)


TESTS = [the_extensions_are_offered, a_priority_is_shown_and_passed_on,
         a_priority_beyond_the_limit_is_lowered_and_said, a_hold_rests_as_scheduled_and_ends_by_itself,
         a_hold_can_be_ended_by_hand, what_is_asked_for_goes_to_a_next_hop_that_offers_it,
         a_next_hop_without_DELIVERBY_makes_no_promise, what_is_malformed_is_refused,
         what_is_late_goes_back_or_is_told_of]


def run():
    global server, hop
    # A connection for each message, so that the next hop can offer other things each time.
    settings = {"queue.schedule": "1 s", "queue.lane-failures": "100", "queue.messages-per-connection": "1"}
    with NextHop() as hop, Server(settings=dict(settings, **{"route.smart_host": hop.address})) as server:
        return main(TESTS, lambda: server)


if __name__ == "__main__":
    sys.exit(run())
