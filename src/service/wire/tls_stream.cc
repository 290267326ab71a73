#include "service/wire/tls_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "rt/errors.h"

namespace ph::wire {
namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kRecordBytes = 16 * 1024;

Error tls_error(const tls::Engine& engine) {
  const std::optional<Error>& error = engine.error();
  return fail(rt::kTls, error.has_value() ? error->to_text() : "the connection ended");
}

}  // namespace

rt::Task<Result<std::unique_ptr<TlsStream>>> TlsStream::handshake(std::unique_ptr<rt::Stream> below,
                                                                  tls::Engine engine,
                                                                  rt::Deadline deadline) {
  std::unique_ptr<TlsStream> self(new TlsStream(std::move(below), std::move(engine)));
  self->engine_.start();
  PH_CO_TRY_STATUS(co_await self->shake_hands(deadline));
  co_return self;
}

rt::Task<Status> TlsStream::shake_hands(rt::Deadline deadline) {
  const auto where = std::source_location::current();
  for (;;) {
    const Status flushed = flush();
    if (!flushed.has_value()) {
      if (!flushed.error().is(rt::kWouldBlock)) co_return flushed;
      const rt::Woken woken = co_await writable(deadline, where);
      if (woken != rt::Woken::hint) co_return rt::to_status(woken, "the TLS handshake");
      continue;
    }
    if (engine_.state() == tls::State::open) co_return Status();
    if (engine_.state() != tls::State::handshaking) co_return tls_error(engine_);
    const Result<size_t> got = pump();
    if (got.has_value()) {
      if (*got == 0) engine_.end_of_stream();
      continue;
    }
    if (!got.error().is(rt::kWouldBlock)) co_return got.error();
    const rt::Woken woken = co_await readable(deadline, where);
    if (woken != rt::Woken::hint) co_return rt::to_status(woken, "the TLS handshake");
  }
}

Result<size_t> TlsStream::pump() {
  std::array<char, kReadBytes> buffer;
  PH_TRY(const size_t count, below_->try_read(buffer));
  // The engine stops consuming only when its plaintext is not drained; it is, before each pump.
  const size_t consumed = engine_.feed({buffer.data(), count});
  if (consumed != count && engine_.state() != tls::State::failed) {
    return fail(rt::kTls, "more ciphertext than one read may hold");
  }
  return count;
}

Status TlsStream::flush() {
  if (engine_.has_output()) {
    outgoing_.erase(0, outgoing_done_);
    outgoing_done_ = 0;
    outgoing_ += engine_.take_output();
  }
  while (outgoing_done_ < outgoing_.size()) {
    PH_TRY(const size_t put, below_->try_write(std::string_view(outgoing_).substr(outgoing_done_)));
    outgoing_done_ += put;
  }
  outgoing_ = {};  // an idle connection holds no buffer
  outgoing_done_ = 0;
  return {};
}

Result<size_t> TlsStream::try_read(std::span<char> into) {
  PH_CHECK(!into.empty());
  for (;;) {
    const std::string_view ready = engine_.plaintext();
    if (!ready.empty()) {
      const size_t count = std::min(ready.size(), into.size());
      std::ranges::copy(ready.substr(0, count), into.begin());
      engine_.consume(count);
      return count;
    }
    if (engine_.state() == tls::State::peer_closed) return size_t{0};
    if (engine_.state() == tls::State::failed) return tls_error(engine_);
    const Result<size_t> got = pump();
    const Status flushed = flush();  // alerts and key updates; a full socket delays them, no more
    if (!got.has_value()) {
      const bool broken = !flushed.has_value() && !flushed.error().is(rt::kWouldBlock);
      return broken ? flushed.error() : got.error();
    }
    if (*got == 0) engine_.end_of_stream();
  }
}

Result<size_t> TlsStream::try_write(std::string_view bytes) {
  if (bytes.empty()) return size_t{0};
  if (!is_ahead_with(bytes)) {
    ahead_ = {};
    PH_TRY_STATUS(flush());
    const std::string_view record = bytes.substr(0, kRecordBytes);
    if (const Status written = engine_.write(record); !written.has_value())
      return tls_error(engine_);
    ahead_ = {record.size(), 0};
  }
  const Status flushed = flush();
  if (flushed.has_value()) return std::exchange(ahead_, {}).octets;
  ahead_.checksum = crc32c(bytes.substr(0, ahead_.octets));
  return flushed.error();
}

// A writer that gave up at its deadline may come back with other octets: those it left behind are
// then on their way, as the part of a write that a socket took would be.
bool TlsStream::is_ahead_with(std::string_view bytes) const {
  return ahead_.octets > 0 && ahead_.octets <= bytes.size() &&
         crc32c(bytes.substr(0, ahead_.octets)) == ahead_.checksum;
}

void TlsStream::shutdown_write() {
  engine_.close();
  static_cast<void>(flush());  // best effort: the peer sees the end in any case
  below_->shutdown_write();
}

void TlsStream::close() {
  if (engine_.state() == tls::State::open || engine_.state() == tls::State::peer_closed) {
    engine_.close();
    static_cast<void>(flush());
  }
  below_->close();
}

Result<std::unique_ptr<rt::Stream>> TlsStream::rehome(rt::Loop& target) {
  PH_TRY(std::unique_ptr<rt::Stream> below, below_->rehome(target));
  std::unique_ptr<TlsStream> moved(new TlsStream(std::move(below), std::move(engine_)));
  moved->outgoing_ = std::move(outgoing_);
  moved->outgoing_done_ = outgoing_done_;
  moved->ahead_ = ahead_;
  return std::unique_ptr<rt::Stream>(std::move(moved));
}

}  // namespace ph::wire
