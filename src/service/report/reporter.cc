#include "service/report/reporter.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/mime/header.h"
#include "codec/mime/writer.h"
#include "codec/text/transfer.h"
#include "service/report/detail/lines.h"
#include "service/report/detail/status.h"
#include "service/report/detail/words.h"

namespace ph::report {
namespace {

constexpr uint64_t kHeaderMax = 64 * 1024;
constexpr uint64_t kReturnedMax = 64 * 1024;        // nobody said what is wished
constexpr uint64_t kReturnedIfAsked = 1024 * 1024;  // RET=FULL

// RFC 3461 section 4.3: RET is about reports of failures; others return the header only.
uint64_t returned_max(const queue::ReportWork& work) {
  if (!tells_of(work, queue::ReportAction::failed)) return 0;
  switch (work.envelope.dsn_return) {
    case model::DsnReturn::headers: return 0;
    case model::DsnReturn::full: return kReturnedIfAsked;
    case model::DsnReturn::unspecified: return kReturnedMax;
  }
  return 0;
}

bool is_returned_whole(const queue::ReportWork& work, std::string_view original) {
  return !original.empty() && original.size() == work.envelope.size_bytes &&
         original.size() <= returned_max(work) && is_sendable(original);
}

std::string encoding_field(std::string_view body) {
  return is_all_ascii(body) ? "Content-Transfer-Encoding: 7bit\r\n"
                            : "Content-Transfer-Encoding: 8bit\r\n";
}

// Quoted-printable when it must be: a report has to get through wherever the message came from.
void add_words(mime::MultipartWriter& parts, const std::string& words) {
  const std::string type = "Content-Type: text/plain; charset=utf-8\r\n";
  if (is_all_ascii(words)) {
    parts.add(type + encoding_field(words), words);
  } else {
    parts.add(type + "Content-Transfer-Encoding: quoted-printable\r\n",
              text::encode_quoted_printable(words));
  }
}

std::string header_of(const ReportText& text, const queue::ReportWork& work) {
  const bool to_sender = work.to == queue::ReportTo::sender;
  std::string out = mime::fold_field(
      "From", mime::format_mailbox("Mail Delivery System", "postmaster@" + text.host));
  out += mime::fold_field("To", "<" + (to_sender ? work.envelope.sender : text.postmaster) + ">");
  out += mime::fold_field("Subject", subject_of(work));
  out += "Date: " + to_rfc5322_date(text.now) + "\r\n";
  out += mime::fold_field("Message-ID", "<" + text.id + "@" + text.host + ">");
  if (!work.message_id.empty()) {
    const std::string of = "<" + one_line(work.message_id) + ">";
    out += mime::fold_field("In-Reply-To", of) + mime::fold_field("References", of);
  }
  // Three dialects of "do not answer this": RFC 3834 section 5, Exchange's, and vacation's.
  out += "Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\nPrecedence: bulk\r\n";
  return out + "MIME-Version: 1.0\r\n";
}

}  // namespace

std::string delivery_report(const ReportText& text, const queue::ReportWork& work,
                            std::string_view original) {
  mime::MultipartWriter parts(mime::make_boundary(text.boundary));
  const std::string type = parts.content_type("report", "report-type=delivery-status");
  add_words(parts, words_for_people({text.host, text.postmaster, text.now}, work, original));
  parts.add("Content-Type: message/delivery-status\r\n",
            delivery_status({text.host, text.now}, work));
  const bool whole = is_returned_whole(work, original);
  const std::string header = whole ? std::string() : sendable_header(original);
  const std::string_view returned = whole ? original : std::string_view(header);
  const std::string_view kind = whole ? "message/rfc822" : "text/rfc822-headers";
  if (!returned.empty()) {
    parts.add("Content-Type: " + std::string(kind) + "\r\n" + encoding_field(returned), returned);
  }
  std::string out = header_of(text, work);
  out += mime::fold_field("Content-Type", type) + encoding_field(returned) + "\r\n";
  return out + parts.finish();
}

std::string Reporter::postmaster() const {
  const std::string known = parts_.postmaster ? parts_.postmaster() : std::string();
  return known.empty() ? "postmaster@" + parts_.host : known;
}

rt::Task<queue::Report> Reporter::write(rt::Loop& loop, queue::ReportWork work, rt::Deadline) {
  const uint64_t wanted = std::max(kHeaderMax, returned_max(work));
  const Result<std::string> read = co_await work.content.read(loop, 0, wanted);
  const std::string original = read.has_value() ? *read : std::string();
  rt::Entropy& entropy = parts_.runtime.entropy();
  const ReportText text{parts_.host, hex_encode(entropy.bytes(16)), entropy.bytes(16), loop.wall(),
                        postmaster()};
  queue::Report report;
  report.message_id = text.id + "@" + text.host;
  report.subject = subject_of(work);
  if (work.to == queue::ReportTo::postmaster) report.recipient = text.postmaster;
  // Shared: the committer, the queue and a cache may hold the same octets.
  report.bytes = std::make_shared<const std::string>(delivery_report(text, work, original));
  co_return report;
}

}  // namespace ph::report
