#!/usr/bin/env python3
"""Delivery reports, read by a program that shares no code with the server: Python's email package."""
import email
import email.policy
import sys

from harness import ADMIN, DOMAIN, NextHop, Server, expect, main, marker, message, until

ALICE = f"alice@{DOMAIN}"
server = None
hop = None
delayed = marker("delay")  # sent first: the shortest time after which a delay is told is a minute


def send(subject, recipients, options=(), recipient_options=()):
    with server.submission() as client:
        client.sendmail(ALICE, recipients, message(subject, recipient=recipients[0], body="The body.\r\n"),
                        mail_options=options, rcpt_options=recipient_options)


def report_about(subject):
    """The parsed report, and its delivery-status: the fields of the message, then those of each recipient."""
    octets = server.arrived(f"<{subject}@client>", ALICE, seconds=100)
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    expect(parsed.get_content_type() == "multipart/report", parsed.get_content_type())
    expect(parsed["Content-Type"].params["report-type"] == "delivery-status", parsed["Content-Type"])
    expect(parsed["Return-Path"] == "<>", f"Return-Path is {parsed['Return-Path']}")
    expect(parsed["Auto-Submitted"] == "auto-replied", "it may be answered by a robot")
    for part in parsed.walk():
        expect(not part.defects, f"{part.get_content_type()}: {part.defects}")
    words, status, returned = parsed.iter_parts()
    expect(words.get_content_type() == "text/plain", words.get_content_type())
    expect(status.get_content_type() == "message/delivery-status", status.get_content_type())
    return words.get_content(), status.get_payload(), returned


def a_failure_behind_an_alias_is_reported():
    server.cli("alias", "add", f"friends@{DOMAIN}", f"carol@far.example.net,bob@{DOMAIN}")
    subject = marker("alias")
    hop.behaviour, hop.words = "refuse", "No such user"
    send(subject, [f"friends@{DOMAIN}"])
    words, (about, recipient), returned = report_about(subject)
    expect(about["Reporting-MTA"] == "dns; localhost", about["Reporting-MTA"])
    expect(recipient["Original-Recipient"] == f"rfc822; friends@{DOMAIN}", recipient["Original-Recipient"])
    expect(recipient["Final-Recipient"] == "rfc822; carol@far.example.net", recipient["Final-Recipient"])
    expect(recipient["Action"] == "failed" and recipient["Status"] == "5.7.1", recipient.as_string())
    expect(recipient["Final-Log-ID"] in words, "the words do not name the queue id")
    expect("refused it for good" in words and "What you can do" in words, words)
    expect(returned.get_content_type() == "message/rfc822", returned.get_content_type())
    expect(returned.get_content()["Subject"] == subject, "the message itself did not come back")


def a_refusal_quotes_the_next_hop():
    subject = marker("refusal")
    hop.behaviour, hop.words = "refuse", "We do not want this"
    send(subject, ["carol@far.example.net"], ["RET=HDRS", "ENVID=QQ+2B1"],
         ["NOTIFY=FAILURE", "ORCPT=rfc822;Carol+2Bx@far.example.net"])
    words, (about, recipient), returned = report_about(subject)
    expect(about["Original-Envelope-Id"] == "QQ+1", about["Original-Envelope-Id"])
    expect(recipient["Original-Recipient"] == "rfc822; Carol+x@far.example.net", recipient["Original-Recipient"])
    expect(recipient["Status"] == "5.7.1", recipient["Status"])
    expect("550 5.7.1 We do not want this" in recipient["Diagnostic-Code"], recipient["Diagnostic-Code"])
    expect("We do not want this" in words, words)
    expect(returned.get_content_type() == "text/rfc822-headers" and "The body" not in returned.as_string(),
           "RET=HDRS returned more than the header")


def a_success_is_reported_when_asked_for():
    subject = marker("success")
    hop.behaviour = "accept"
    send(subject, [f"bob@{DOMAIN}"], ["RET=FULL"], ["NOTIFY=SUCCESS"])
    _, (_, recipient), returned = report_about(subject)
    expect(recipient["Action"] == "delivered" and recipient["Status"].startswith("2."), recipient.as_string())
    expect(returned.get_content_type() == "text/rfc822-headers", "a success returned the whole message")


def a_lost_report_goes_to_the_postmaster():
    subject = marker("lost")
    hop.behaviour, hop.words = "refuse", "No such sender"
    with server.smtp() as client:
        client.sendmail("forged@far.example.net", [f"friends@{DOMAIN}"], message(subject, "forged@far.example.net"))
    octets = server.arrived(subject, ADMIN)
    parsed = email.message_from_bytes(octets, policy=email.policy.default)
    words, status, lost = parsed.iter_parts()
    expect(ADMIN in parsed["To"], parsed["To"])
    expect(status.get_payload()[1]["Final-Recipient"] == "rfc822; forged@far.example.net", status.as_string())
    expect("No such sender" in words.get_content(), words.get_content())
    expect(lost.get_content()["Subject"] == "Your message could not be delivered", lost.as_string())


def a_delay_is_reported():
    words, (_, recipient), _ = report_about(delayed)
    expect(recipient["Action"] == "delayed" and recipient["Status"] == "4.2.1", recipient.as_string())
    expect(recipient["Will-Retry-Until"] is not None, "no Will-Retry-Until")
    expect("Come back later" in words and "need to do nothing" in words, words)


TESTS = [a_failure_behind_an_alias_is_reported, a_refusal_quotes_the_next_hop,
         a_success_is_reported_when_asked_for, a_lost_report_goes_to_the_postmaster, a_delay_is_reported]


def run():
    global server, hop
    settings = {"queue.delay-notice": "1 min", "queue.schedule": "10 min"}
    with NextHop() as hop, Server(settings=dict(settings, **{"route.smart_host": hop.address})) as server:
        hop.behaviour, hop.words = "defer", "Come back later"
        send(delayed, ["dora@far.example.net"])
        until(lambda: server.waiting(state="waiting_retry"), "the message waits")
        return main(TESTS, lambda: server)


if __name__ == "__main__":
    sys.exit(run())
