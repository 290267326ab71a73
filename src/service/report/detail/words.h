// What a report says to people: what happened, to whom, when and in whose words, and what the
// reader can do. No word of it presumes that the reader knows how mail is carried.
#pragma once

#include <string>
#include <string_view>

#include "service/queue/ports.h"

namespace ph::report {

// What happened, and what the sender can do about it when that is the end.
struct ReasonWords {
  model::QueueReason reason;
  std::string_view happened;
  std::string_view advice;
};
const ReasonWords& words_of(model::QueueReason reason);

bool tells_of(const queue::ReportWork& work, queue::ReportAction action);

// The subject of the report.
std::string_view subject_of(const queue::ReportWork& work);

struct WordsText {
  std::string_view host;
  std::string_view postmaster;  // an address to ask
  Time now;
};
// UTF-8, CRLF. `original`: what could be read of the message.
std::string words_for_people(const WordsText& text, const queue::ReportWork& work,
                             std::string_view original);

}  // namespace ph::report
