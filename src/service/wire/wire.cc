#include "service/wire/wire.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "rt/errors.h"
#include "service/wire/tls_stream.h"

namespace ph::wire {

Wire::Wire(std::unique_ptr<rt::Stream> stream) : stream_(std::move(stream)) {
  PH_CHECK(stream_ != nullptr);
}
Wire::~Wire() = default;
Wire::Wire(Wire&&) noexcept = default;
Wire& Wire::operator=(Wire&&) noexcept = default;

void Wire::consume(size_t octets) {
  PH_CHECK(octets <= size_);
  start_ += octets;
  size_ -= octets;
  if (size_ == 0) start_ = 0;
}

// Where the next read goes: never empty, because a session consumes before it fills a full buffer.
std::span<char> Wire::room() {
  if (start_ + size_ == capacity_) {
    const size_t wanted = size_ < capacity_ ? capacity_
                          : capacity_ == 0  ? kInputBytesFirst
                                            : std::min(capacity_ * 4, kInputBytes);
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    std::ranges::copy(input(), larger.get());
    input_ = std::move(larger);
    capacity_ = wanted;
    start_ = 0;
  }
  return {input_.get() + start_ + size_, capacity_ - start_ - size_};
}

Result<Filled> Wire::take(const Result<size_t>& got) {
  if (!got.has_value()) return got.error();
  size_ += *got;
  return *got == 0 ? Filled::end_of_stream : Filled::bytes;
}

rt::Task<Result<Filled>> Wire::fill(rt::Deadline deadline, std::source_location where) {
  PH_CHECK(size_ < kInputBytes);
  const Result<size_t> got = stream_->try_read(room());
  if (got.has_value() || !got.error().is(rt::kWouldBlock)) co_return take(got);
  if (size_ == 0) {  // nothing is kept while it waits
    input_ = nullptr;
    capacity_ = 0;
  }
  const rt::Woken woken = co_await stream_->readable(deadline, where);
  if (woken != rt::Woken::hint) co_return rt::to_status(woken, "reading from the peer").error();
  const Result<size_t> again = stream_->try_read(room());
  if (!again.has_value() && again.error().is(rt::kWouldBlock)) co_return Filled::nudged;
  co_return take(again);
}

rt::Task<Status> Wire::send(std::string bytes, rt::Deadline deadline, std::source_location where) {
  co_return co_await stream_->write(bytes, deadline, where);
}

rt::Task<Status> Wire::start_tls(tls::Engine engine, rt::Deadline deadline) {
  consume(size_);
  auto shaken = co_await TlsStream::handshake(std::move(stream_), std::move(engine), deadline);
  if (!shaken.has_value()) {
    stream_ = nullptr;
    co_return std::move(shaken).error();
  }
  tls_ = (*shaken)->info();
  stream_ = std::move(*shaken);
  co_return Status();
}

rt::Task<void> Wire::finish(rt::Deadline deadline) {
  if (stream_ == nullptr) co_return;
  stream_->shutdown_write();
  size_t dropped = 0;
  for (;;) {
    dropped += size_;
    consume(size_);
    if (dropped > kFarewellBytes) break;
    const Result<Filled> filled = co_await fill(deadline);
    if (!filled.has_value() || *filled == Filled::end_of_stream) break;
  }
  stream_->close();
}

Result<Wire> Wire::rehome(rt::Loop& target) {
  PH_TRY(std::unique_ptr<rt::Stream> stream, stream_->rehome(target));
  Wire moved(std::move(stream));
  moved.tls_ = std::move(tls_);
  moved.input_ = std::move(input_);
  moved.capacity_ = std::exchange(capacity_, 0);
  moved.start_ = start_;
  moved.size_ = size_;
  return moved;
}

}  // namespace ph::wire
