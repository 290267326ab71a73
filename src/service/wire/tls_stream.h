// A Stream inside TLS: the codec's engine between a session and the stream below.
//
// Made by a finished handshake; from then on it is a Stream like any other. A try_write that
// answered kWouldBlock may have encrypted some octets already: it is repeated with the same ones
// (Stream::write does), or they count as written. Dropping it without close() sends no
// close_notify, which the peer takes for a cut.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "codec/tls/engine.h"
#include "rt/stream.h"
#include "rt/task.h"

namespace ph::wire {

class TlsStream final : public rt::Stream {
 public:
  // Takes the stream below and returns when the handshake is done; kTls with the reason, or what
  // the stream below answered, and then the connection is gone.
  static rt::Task<Result<std::unique_ptr<TlsStream>>> handshake(std::unique_ptr<rt::Stream> below,
                                                                tls::Engine engine,
                                                                rt::Deadline deadline);

  tls::Info info() const { return engine_.info(); }

  rt::Loop& loop() const override { return below_->loop(); }
  rt::Endpoint peer() const override { return below_->peer(); }
  rt::Endpoint local() const override { return below_->local(); }
  Result<size_t> try_read(std::span<char> into) override;
  Result<size_t> try_write(std::string_view bytes) override;
  rt::ParkAwaiter readable(rt::Deadline deadline, std::source_location where) override {
    return below_->readable(deadline, where);
  }
  rt::ParkAwaiter writable(rt::Deadline deadline, std::source_location where) override {
    return below_->writable(deadline, where);
  }
  void nudge_reader() override { below_->nudge_reader(); }
  void shutdown_write() override;
  void close() override;
  Result<std::unique_ptr<rt::Stream>> rehome(rt::Loop& target) override;

 private:
  TlsStream(std::unique_ptr<rt::Stream> below, tls::Engine engine)
      : below_(std::move(below)), engine_(std::move(engine)) {}
  rt::Task<Status> shake_hands(rt::Deadline deadline);
  // Reads what is there now from below into the engine; 0 at its end.
  Result<size_t> pump();
  // Writes what the engine has for the peer; kWouldBlock while some of it is left.
  Status flush();
  bool is_ahead_with(std::string_view bytes) const;

  std::unique_ptr<rt::Stream> below_;
  tls::Engine engine_;
  std::string outgoing_;      // ciphertext not yet taken by the stream below
  size_t outgoing_done_ = 0;  // octets of it that are
  // The caller's octets that are in outgoing_ though he was told kWouldBlock.
  struct Ahead {
    size_t octets = 0;
    uint32_t checksum = 0;
  } ahead_;
};

}  // namespace ph::wire
