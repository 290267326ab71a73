// The decisions of the driver; how the engine works is told in detail/engine_core.h.
#include "codec/imap/engine.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "codec/imap/detail/engine_core.h"

namespace ph::imap {

void ServerEngine::Core::resume() {
  PH_CHECK(mode_ == Mode::decide_handshake || mode_ == Mode::decide_sasl ||
           mode_ == Mode::decide_idle);
  PH_CHECK(!pending_);
  reset();
}

void ServerEngine::Core::challenge(std::string_view data) {
  PH_CHECK(mode_ == Mode::decide_sasl);
  PH_CHECK(!pending_);
  output_ += "+ ";
  output_ += base64_encode(data);
  output_ += "\r\n";
  mode_ = Mode::sasl;
}

void ServerEngine::Core::idle() {
  PH_CHECK(mode_ == Mode::decide_idle);
  PH_CHECK(!pending_);
  output_ += "+ idling\r\n";
  mode_ = Mode::idle;
}

void ServerEngine::Core::accept_message() {
  PH_CHECK(mode_ == Mode::decide_message);
  PH_CHECK(!pending_);
  if (synchronising_) output_ += "+ OK\r\n";
  mode_ = left_ == 0 ? Mode::after_message : Mode::message;
}

void ServerEngine::Core::refuse_message() {
  PH_CHECK(mode_ == Mode::decide_message);
  PH_CHECK(!pending_);
  if (synchronising_) {
    reset();
  } else {
    begin_discard(left_);
  }
}

ServerEngine::ServerEngine(const EngineOptions& options) : core_(new Core(options)) {
  PH_CHECK(options.chunk_size > 0);
  PH_CHECK(options.command_limit >= options.line_limit);
  PH_CHECK(options.command_limit_before_login >= options.line_limit_before_login);
}
ServerEngine::~ServerEngine() = default;
ServerEngine::ServerEngine(ServerEngine&&) noexcept = default;
ServerEngine& ServerEngine::operator=(ServerEngine&&) noexcept = default;

size_t ServerEngine::feed(std::string_view bytes) { return core_->feed(bytes); }
std::optional<Event> ServerEngine::next() { return core_->next(); }
Phase ServerEngine::phase() const { return core_->phase(); }
std::string& ServerEngine::output() { return core_->output_; }
std::string ServerEngine::take_output() { return std::exchange(core_->output_, {}); }
void ServerEngine::set_state(SessionState state) { core_->state_ = state; }
SessionState ServerEngine::state() const { return core_->state_; }
void ServerEngine::use_utf8_names() { core_->names_ = NameForm::utf8; }
void ServerEngine::resume() { core_->resume(); }
void ServerEngine::challenge(std::string_view data) { core_->challenge(data); }
void ServerEngine::idle() { core_->idle(); }
void ServerEngine::accept_message() { core_->accept_message(); }
void ServerEngine::refuse_message() { core_->refuse_message(); }

}  // namespace ph::imap
