#include "app/detail/figures.h"

#include <array>
#include <string_view>
#include <utility>

namespace ph::app {
namespace {

using Described = std::pair<std::string_view, std::string_view>;

constexpr std::array kDescribed = std::to_array<Described>({
    {"posthorn_auditor_hits", "Contradictions that the auditor found and repaired; each is a bug."},
    {"posthorn_imap_bad_commands", "IMAP commands that were answered BAD."},
    {"posthorn_imap_connections", "IMAP connections now."},
    {"posthorn_imap_connections_accepted", "IMAP connections since the start."},
    {"posthorn_imap_connections_moved", "IMAP connections that moved to their mailbox's loop."},
    {"posthorn_imap_connections_turned_away", "IMAP connections beyond a limit."},
    {"posthorn_imap_login_failures", "Logins that failed over IMAP."},
    {"posthorn_imap_message_bytes", "Memory for messages that IMAP sessions hold now."},
    {"posthorn_kv_blobs", "Message contents in the store, about."},
    {"posthorn_kv_bytes_written", "Octets that commits wrote since the start."},
    {"posthorn_kv_commit_seconds", "From the call of a commit to its durable answer."},
    {"posthorn_kv_commits", "Commits that became durable since the start."},
    {"posthorn_kv_commits_waiting", "Commits that wait for the disk now."},
    {"posthorn_kv_last_commit_us", "Microseconds that the last commit took."},
    {"posthorn_kv_segment_bytes", "Octets of the files that hold large messages."},
    {"posthorn_kv_segment_bytes_dead", "Those of them that nothing refers to any more."},
    {"posthorn_kv_syncs", "Times that the disk was asked to keep what was written."},
    {"posthorn_queue_accepted_total", "Messages that the queue took."},
    {"posthorn_queue_attempt_seconds", "Attempts to deliver, by where to, however they ended."},
    {"posthorn_queue_attempts_ended_total", "Attempts by what they came to."},
    {"posthorn_queue_attempts_total", "Attempts to deliver."},
    {"posthorn_queue_ended_messages_kept", "Ended messages that can still be asked about."},
    {"posthorn_queue_ended_total", "Recipients that came to an end, by which."},
    {"posthorn_queue_lanes", "Next hops in memory, by health."},
    {"posthorn_queue_lost_workers_total", "Attempts whose worker died or hung."},
    {"posthorn_queue_next_action_seconds", "Until the earliest next action; negative: overdue."},
    {"posthorn_queue_oldest_seconds", "How long the oldest row is in a state for a reason."},
    {"posthorn_queue_overdue_seconds", "How long the earliest next action is overdue."},
    {"posthorn_queue_reports_lost_total", "Reports of ours that could not be delivered."},
    {"posthorn_queue_reports_total", "Delivery reports that were made."},
    {"posthorn_queue_rows", "Recipients in the queue, by state and reason."},
    {"posthorn_smtp_connections", "SMTP connections from outside now."},
    {"posthorn_smtp_connections_accepted", "SMTP connections from outside since the start."},
    {"posthorn_smtp_connections_turned_away", "SMTP connections from outside beyond a limit."},
    {"posthorn_smtp_login_failures", "Logins that failed over SMTP."},
    {"posthorn_smtp_receiving_bytes", "Memory for messages that are being received now."},
    {"posthorn_store_records_set_aside_total", "Records in mailboxes that could not be read."},
});

}  // namespace

void describe_metrics(obs::Metrics& metrics) {
  for (const auto& [name, help] : kDescribed) metrics.describe(name, help);
}

void refresh_figures(obs::Metrics& metrics, const kv::Store& store) {
  const kv::StoreFigures f = store.figures();
  const auto set = [&metrics](std::string_view name, uint64_t value) {
    metrics.gauge(name).set(static_cast<int64_t>(value));
  };
  set("posthorn_kv_blobs", f.blobs);
  set("posthorn_kv_bytes_written", f.bytes_written);
  set("posthorn_kv_commits", f.commits);
  set("posthorn_kv_commits_waiting", f.commit_queue);
  set("posthorn_kv_segment_bytes", f.segment_bytes);
  set("posthorn_kv_segment_bytes_dead", f.segment_bytes_dead);
  set("posthorn_kv_syncs", f.syncs);
  metrics.gauge("posthorn_kv_last_commit_us").set(f.last_commit.us());
  metrics.histogram("posthorn_kv_commit_seconds").set(f.commit_times);
}

}  // namespace ph::app
