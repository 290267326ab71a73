// TLS over octets in memory: one connection's engine, for rt_real and for the simulator alike.
//
//   feed(ciphertext from the network)   -> octets consumed (all, unless plaintext() is not drained)
//   take_output()                       -> ciphertext to write to the network, after every call
//   plaintext(), consume(n)             -> what the peer said
//   write(plaintext)                    -> encrypts into the output
//
// state() goes handshaking -> open -> peer_closed (its close_notify came: a clean end), or to
// failed, with error() saying why. A client starts speaking by start(). At the end of the stream
// call end_of_stream(): without a close_notify before it the state becomes failed, kTruncated,
// because someone may have cut the peer's words. An idle connection holds no record buffers. The
// handshake uses OpenSSL's own randomness: simulated runs see the same events, not the same octets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "codec/tls/context.h"

namespace ph::tls {

enum class State : uint8_t { handshaking, open, peer_closed, failed };

enum class Verify : uint8_t {
  opportunistic,  // the connection goes on in any case; Info says whether the peer was verified
  required,       // chain and host name, or the handshake fails with kPeerNotVerified
};

struct ClientSetup {
  std::string host;  // sent as SNI and matched with the certificate; an IP address is matched only
  Verify verify = Verify::opportunistic;
  Time now;  // certificates are checked against this, not against a clock
};

struct Info {
  std::string version;      // "TLSv1.3"
  std::string cipher;       // "TLS_AES_256_GCM_SHA384"
  std::string server_name;  // SNI, as sent or received
  bool peer_verified = false;
  std::string peer_problem;  // why not, for people; empty when verified or not asked
};

class Engine {
 public:
  static constexpr size_t kPlaintextCap = 64 * 1024;  // beyond it feed() stops consuming

  static Engine server(const Context& context);
  static Engine client(const Context& context, const ClientSetup& setup);

  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // Client: puts the first handshake message into the output. Server: does nothing.
  void start();
  size_t feed(std::string_view ciphertext);
  std::string take_output();
  bool has_output() const;

  // Valid until the next call of feed() or consume().
  std::string_view plaintext() const;
  void consume(size_t octets);
  // Only while open or after peer_closed. Errors: kProtocol, or the engine's error().
  Status write(std::string_view plaintext);
  // Sends close_notify; nothing can be written afterwards.
  void close();
  void end_of_stream();

  State state() const;
  // Set when failed.
  const std::optional<Error>& error() const;
  // Meaningful once open.
  Info info() const;
  // RFC 9266 tls-exporter, 32 octets; nullopt unless open with TLS 1.3.
  std::optional<std::string> channel_binding() const;

 private:
  struct Connection;
  explicit Engine(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace ph::tls
