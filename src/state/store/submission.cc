#include "state/store/submission.h"

namespace ph::store {
namespace {

using S = SubmissionState;
using E = SubmissionEvent;
using R = SubmissionReason;
using model::Rest;

constexpr SubmissionTable kTable{
    {{
        {S::held, "held", Rest::resting, "the time it was asked to be sent at", E::clock,
         "waits for the time it was asked to be sent at"},
        {S::handing_over, "handing_over", Rest::resting, "the next attempt to hand it over",
         E::clock, "is being handed to transport; tried again until transport has it"},
        {S::in_transport, "in_transport", Rest::resting, "what transport does next with it",
         E::clock, "transport has it and works on its recipients"},
        {S::sent, "sent", Rest::end, {}, {}, "all its recipients' servers have it"},
        {S::failed, "failed", Rest::end, {}, {}, "reached nobody; a report or Drafts says why"},
        {S::partly_failed,
         "partly_failed",
         Rest::end,
         {},
         {},
         "reached some recipients; a report names the others"},
        {S::cancelled, "cancelled", Rest::end, {}, {}, "was taken back; it is in Drafts"},
    }},
    {{
        {S::held, E::clock, S::handing_over, {R::submitted}},
        {S::held, E::cancel, S::cancelled, {R::by_user}},
        {S::held, E::expire, S::failed, {R::expired}},
        {S::handing_over, E::clock, S::handing_over, {R::transport_not_ready}},
        {S::handing_over, E::not_now, S::handing_over, {R::transport_not_ready}},
        {S::handing_over, E::accepted, S::in_transport, {R::transport_has_it}},
        {S::handing_over, E::refused, S::failed, {R::transport_refused}},
        {S::handing_over, E::expire, S::failed, {R::expired}},
        {S::in_transport, E::clock, S::in_transport, {R::transport_silent}},
        {S::in_transport, E::going, S::in_transport, {R::transport_has_it}},
        {S::in_transport, E::ended, S::sent, {R::delivered, R::transport_forgot}},
        {S::in_transport, E::ended, S::failed, {R::recipients_failed}},
        {S::in_transport, E::ended, S::partly_failed, {R::recipients_failed}},
        {S::in_transport, E::expire, S::failed, {R::expired}},
    }},
    S::held,  // what need not wait passes it at once
    {R::send_later},
    E::expire,
};
static_assert(model::problem_of(kTable).empty());

}  // namespace

const SubmissionTable kSubmissionTable = kTable;

bool has_ended(SubmissionState state) { return kTable.is_end(state); }

std::string_view to_text(SubmissionState state) { return kTable.row(state).name; }

std::string_view to_text(SubmissionReason reason) {
  switch (reason) {
    case R::submitted: return "submitted";
    case R::send_later: return "send_later";
    case R::transport_not_ready: return "transport_not_ready";
    case R::transport_has_it: return "transport_has_it";
    case R::transport_silent: return "transport_silent";
    case R::delivered: return "delivered";
    case R::transport_refused: return "transport_refused";
    case R::recipients_failed: return "recipients_failed";
    case R::by_user: return "by_user";
    case R::transport_forgot: return "transport_forgot";
    case R::expired: return "expired";
  }
  return {};
}

}  // namespace ph::store
