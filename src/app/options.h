// The program's own settings: who we are and where we listen.
#pragma once

#include "config/setting.h"

namespace ph::app {

using config::Effect;

inline constexpr config::TextSetting kHostName{
    {"server.host_name", "Our name in greetings, Received fields and reports.", Effect::at_start},
    "localhost"};
inline constexpr config::TextSetting kListenSmtp{
    {"listen.smtp", "Where mail from other servers comes in.", Effect::at_start}, "[::]:25"};
inline constexpr config::TextSetting kListenSubmission{
    {"listen.submission", "Where users submit, with STARTTLS.", Effect::at_start}, "[::]:587"};
inline constexpr config::TextSetting kListenSubmissions{
    {"listen.submissions", "Where users submit, over TLS from the start.", Effect::at_start},
    "[::]:465"};
inline constexpr config::TextSetting kListenImap{
    {"listen.imap", "Where users read, with STARTTLS.", Effect::at_start}, "[::]:143"};
inline constexpr config::TextSetting kListenImaps{
    {"listen.imaps", "Where users read, over TLS from the start.", Effect::at_start}, "[::]:993"};
inline constexpr config::TextSetting kListenMetrics{
    {"listen.metrics",
     "Where the metrics page is (HTTP, /metrics), on loopback only: it knows no login. Empty: "
     "nowhere.",
     Effect::at_start},
    "127.0.0.1:9925"};
inline constexpr config::SwitchSetting kSentCopy{
    {"submission.sent_copy",
     "Keep a copy of submitted mail in Sent (most programs store one by themselves)."},
    false};

void add_settings(config::Schema& schema);
// The settings of every room of the program.
void add_all_settings(config::Schema& schema);

}  // namespace ph::app
