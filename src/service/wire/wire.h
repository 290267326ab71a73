// The Wire: one connection as a session sees it: buffered input, output, TLS when asked for.
//
// Every front end (SMTP, IMAP, control) is the same short loop: fill with a deadline, feed its
// codec's engine from input(), act, send. The input buffer is bounded (a full one means the session
// must consume before it fills again) and is given back while the connection is idle.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/tls/engine.h"
#include "rt/stream.h"
#include "rt/task.h"

namespace ph::wire {

inline constexpr size_t kInputBytes = 64 * 1024;       // unread input at most
inline constexpr size_t kInputBytesFirst = 4 * 1024;   // what a quiet session reads into
inline constexpr size_t kFarewellBytes = 1024 * 1024;  // dropped at the end at most

enum class Filled : uint8_t { bytes, end_of_stream, nudged };

class Wire {
 public:
  explicit Wire(std::unique_ptr<rt::Stream> stream);
  ~Wire();
  Wire(Wire&&) noexcept;
  Wire& operator=(Wire&&) noexcept;

  rt::Loop& loop() const { return stream_->loop(); }
  rt::Endpoint peer() const { return stream_->peer(); }
  rt::Endpoint local() const { return stream_->local(); }

  // What was read and not yet consumed. Valid until the next fill or consume.
  std::string_view input() const { return {input_.get() + start_, size_}; }
  void consume(size_t octets);
  // Waits for more input; input() must not be full. `nudged`: woken without input, by nudge() or
  // for nothing (half a TLS record, say); the caller looks around and fills again.
  rt::Task<Result<Filled>> fill(rt::Deadline deadline,
                                std::source_location where = std::source_location::current());
  void nudge() {
    if (stream_ != nullptr) stream_->nudge_reader();
  }

  rt::Task<Status> send(std::string bytes, rt::Deadline deadline,
                        std::source_location where = std::source_location::current());
  // The same without a copy: `bytes` must live until answered.
  rt::Task<Status> send_view(std::string_view bytes, rt::Deadline deadline,
                             std::source_location where = std::source_location::current()) {
    return stream_->write(bytes, deadline, where);
  }

  // Puts TLS between. Plaintext that came before the handshake is dropped (RFC 3207 section 4.2):
  // what a man in the middle put there must not be taken for the peer's. After a failure the wire
  // is closed for good: only close(), finish() and destruction are left.
  rt::Task<Status> start_tls(tls::Engine engine, rt::Deadline deadline);
  bool is_secure() const { return tls_.has_value(); }
  const std::optional<tls::Info>& tls() const { return tls_; }

  void shutdown_write() { stream_->shutdown_write(); }
  void close() {
    if (stream_ != nullptr) stream_->close();
  }
  // A polite end: no more octets from us; what the peer still sends is read and dropped until it
  // ends too, at most until the deadline and kFarewellBytes; then close(). Closing with unread
  // input would reset the connection, and the peer might never see our last words.
  rt::Task<void> finish(rt::Deadline deadline);
  // The same connection on another loop, unread input included; this object is dead afterwards.
  Result<Wire> rehome(rt::Loop& target);

 private:
  std::span<char> room();
  Result<Filled> take(const Result<size_t>& got);

  std::unique_ptr<rt::Stream> stream_;  // absent after a failed handshake
  std::optional<tls::Info> tls_;
  std::unique_ptr<char[]> input_;  // octets [start_, start_ + size_) are unread
  size_t capacity_ = 0;
  size_t start_ = 0;
  size_t size_ = 0;
};

}  // namespace ph::wire
