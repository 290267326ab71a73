#include "service/report/reporter.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/mime/header.h"
#include "codec/mime/writer.h"
#include "codec/text/encoded_word.h"
#include "model/queue_row.h"

namespace ph::report {
namespace {

constexpr uint64_t kReturnedWholeMax = 64 * 1024;
constexpr size_t kRowsShown = 1000;
constexpr size_t kSubjectShown = 200;

bool is_expired(const model::QueueRow& row) { return row.state == model::QueueState::expired; }

// RFC 3463: what the last reply said, or the queue's own word for how it ended.
std::string status_of(const model::QueueRow& row) {
  if (is_expired(row)) return "4.4.7";
  if (!row.history.empty() && row.history.back().enhanced.kind == 5) {
    return model::to_text(row.history.back().enhanced);
  }
  switch (row.reason) {
    case model::QueueReason::no_such_address: return "5.1.1";
    case model::QueueReason::no_such_domain: return "5.1.2";
    case model::QueueReason::null_mx: return "5.1.10";
    case model::QueueReason::routing_loop: return "5.4.6";
    case model::QueueReason::not_routable: return "5.4.4";
    case model::QueueReason::mailbox_full: return "5.2.2";
    case model::QueueReason::not_sendable:
    case model::QueueReason::message_unreadable: return "5.6.0";
    default: return "5.0.0";
  }
}

std::string address_type(const std::string& address) {
  return std::ranges::all_of(address, is_ascii) ? "rfc822" : "utf-8";
}

std::string one_line(std::string_view text) { return printable(text, 900); }

// An address in a field of message/delivery-status, which is ASCII: what is not goes as RFC 6533
// section 3 says, "\\x{FC}".
std::string typed_address(const std::string& type, const std::string& address) {
  if (type != "utf-8") return type + "; " + one_line(address);
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out = "utf-8; ";
  for (size_t at = 0; at < address.size();) {
    const char c = address[at];
    const bool plain = c > ' ' && c < 0x7F && c != '\\' && c != '+' && c != '=';
    if (plain) {
      out += c;
      ++at;
      continue;
    }
    const auto lead = static_cast<unsigned char>(c);
    size_t length = 1;
    uint32_t code = lead;
    if (lead >= 0xC0) {
      length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
      code = lead & (0x7FU >> length);
    }
    for (size_t i = 1; i < length && at + i < address.size(); ++i) {
      code = code << 6 | (static_cast<unsigned char>(address[at + i]) & 0x3FU);
    }
    std::string hex;
    for (int shift = 20; shift >= 0; shift -= 4) {
      const char digit = kDigits[(code >> shift) & 0xF];
      if (!hex.empty() || digit != '0' || shift <= 4) hex += digit;
    }
    out += "\\x{" + hex + "}";
    at += length;
  }
  return out;
}

// A text from outside as a line for people: UTF-8 stays, what could start a line does not.
std::string line_for_people(std::string text, size_t limit) {
  if (!is_valid_utf8(text)) return printable(text, limit);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

std::string words_for_people(const ReportText& text, const queue::ReportWork& work,
                             std::string_view original) {
  std::string out = "This is the mail server " + text.host + ".\r\n\r\n";
  out += "Your message could not be delivered to the recipients below. It will not be tried\r\n";
  out += "again; if it still matters, send it once more after looking at the reasons.\r\n\r\n";
  const auto subject = mime::HeaderView(original).first("Subject");
  if (subject) {
    out += "Subject:   " + line_for_people(subject->decoded(), kSubjectShown) + "\r\n";
  }
  out += "Accepted:  " + to_rfc5322_date(work.envelope.received_at) + "\r\n";
  out += "Queue id:  " + model::to_text(work.id) + "\r\n";
  for (size_t i = 0; i < std::min(work.rows.size(), kRowsShown); ++i) {
    const model::QueueRow& row = work.rows[i].row;
    out += "\r\n<" + row.recipient.address + ">\r\n";
    out += "  " + std::string(model::sentence_of(row.reason)) + "\r\n";
    if (!row.history.empty()) out += "  What happened at each attempt:\r\n";
    for (const model::ReplyRecord& reply : row.history) {
      out += "    " + to_rfc5322_date(reply.when) + "  " +
             one_line(reply.host + ": " + model::to_text(reply)) + "\r\n";
    }
  }
  return out;
}

// RFC 3464 section 2.
std::string delivery_status(const ReportText& text, const queue::ReportWork& work) {
  std::string out = "Reporting-MTA: dns; " + text.host + "\r\n";
  if (!work.envelope.envelope_id.empty()) {
    out += mime::fold_field("Original-Envelope-Id", one_line(work.envelope.envelope_id));
  }
  out += "Arrival-Date: " + to_rfc5322_date(work.envelope.received_at) + "\r\n";
  for (size_t i = 0; i < std::min(work.rows.size(), kRowsShown); ++i) {
    const model::QueueRow& row = work.rows[i].row;
    const model::Recipient& to = row.recipient;
    out += "\r\n";
    if (!to.original_type.empty()) {
      out += mime::fold_field("Original-Recipient",
                              typed_address(one_line(to.original_type), to.original_address));
    }
    out += mime::fold_field("Final-Recipient", typed_address(address_type(to.address), to.address));
    out += "Action: failed\r\nStatus: " + status_of(row) + "\r\n";
    if (row.history.empty()) continue;
    const model::ReplyRecord& last = row.history.back();
    if (last.code != 0) {
      out += mime::fold_field("Remote-MTA", "dns; " + one_line(last.host));
      out += mime::fold_field("Diagnostic-Code", "smtp; " + one_line(model::to_text(last)));
    } else {
      out += mime::fold_field("Diagnostic-Code", "x-posthorn; " + one_line(last.text));
    }
    out += "Last-Attempt-Date: " + to_rfc5322_date(last.when) + "\r\n";
  }
  return out;
}

}  // namespace

std::string failure_report(const ReportText& text, const queue::ReportWork& work,
                           std::string_view original) {
  const bool whole = work.envelope.dsn_return != model::DsnReturn::headers &&
                     work.envelope.size_bytes <= kReturnedWholeMax &&
                     original.size() == work.envelope.size_bytes && !original.empty();
  mime::MultipartWriter parts(mime::make_boundary(text.boundary));
  std::string out = mime::fold_field(
      "From", mime::format_mailbox("Mail Delivery System", "postmaster@" + text.host));
  out += mime::fold_field("To", "<" + work.envelope.sender + ">");
  out += mime::fold_field("Subject", "Your message could not be delivered");
  out += "Date: " + to_rfc5322_date(text.now) + "\r\n";
  out += "Message-ID: <" + text.id + "@" + text.host + ">\r\n";
  if (!work.message_id.empty()) {
    out += mime::fold_field("In-Reply-To", "<" + one_line(work.message_id) + ">");
  }
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  out +=
      mime::fold_field("Content-Type", parts.content_type("report", "report-type=delivery-status"));
  out += "\r\n";
  parts.add("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
            words_for_people(text, work, original));
  parts.add("Content-Type: message/delivery-status\r\n", delivery_status(text, work));
  if (whole) {
    parts.add("Content-Type: message/rfc822\r\n", original);
  } else {
    parts.add("Content-Type: text/rfc822-headers\r\n",
              original.substr(0, mime::header_size(original)));
  }
  return out + parts.finish();
}

rt::Task<queue::Report> Reporter::write(rt::Loop& loop, queue::ReportWork work, rt::Deadline) {
  const Result<std::string> read = co_await work.content.read(loop, 0, kReturnedWholeMax);
  const std::string original = read.has_value() ? *read : std::string();
  rt::Entropy& entropy = parts_.runtime.entropy();
  ReportText text{parts_.host, hex_encode(entropy.bytes(16)), entropy.bytes(16), loop.wall()};
  queue::Report report;
  report.message_id = text.id + "@" + text.host;
  // Shared: the committer, the queue and a cache may hold the same octets.
  report.bytes = std::make_shared<const std::string>(failure_report(text, work, original));
  co_return report;
}

}  // namespace ph::report
