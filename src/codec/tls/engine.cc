// The engine gives OpenSSL a BIO of our own: reads come straight from the octets given to feed(),
// writes go straight to the output string. So nothing is copied on the way in, and an idle
// connection keeps no buffers (memory BIOs would).

#include "codec/tls/engine.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "codec/tls/detail/openssl.h"
#include "codec/tls/errors.h"

namespace ph::tls {
namespace {

constexpr size_t kRecordMax = 16 * 1024;  // the most plaintext one record holds
constexpr size_t kBindingSize = 32;

bool is_ip_address(const std::string& host) {
  std::array<unsigned char, 16> out{};
  return inet_pton(AF_INET, host.c_str(), out.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), out.data()) == 1;
}

}  // namespace

struct Engine::Connection {
  enum class Role : uint8_t { server, client };

  detail::Owned<SSL> ssl;
  Role role = Role::server;
  Verify verify = Verify::opportunistic;
  State state = State::handshaking;
  bool closed = false;  // we sent close_notify
  std::string_view in;  // what feed() was given and OpenSSL has not read yet
  std::string out;      // ciphertext
  std::string plain;    // plaintext, from plain_from on
  size_t plain_from = 0;
  std::string host;
  std::optional<Error> error;

  size_t waiting() const { return plain.size() - plain_from; }
  void handshake();
  void read();
  void stop(int result);
  void fail_with(Error why);
};

namespace {

// ---- the BIO ----

int read_octets(BIO* bio, char* to, int size) {
  auto& in = *static_cast<std::string_view*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (in.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t count = std::min(in.size(), static_cast<size_t>(size));
  std::memcpy(to, in.data(), count);
  in.remove_prefix(count);
  return static_cast<int>(count);
}

int write_octets(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<std::string*>(BIO_get_data(bio))->append(from, static_cast<size_t>(size));
  return size;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// One constant table of functions for the whole program.
const BIO_METHOD* string_method() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "octets");
    PH_CHECK(made != nullptr);
    BIO_meth_set_read(made, read_octets);
    BIO_meth_set_write(made, write_octets);
    BIO_meth_set_ctrl(made, control);
    BIO_meth_set_create(made, create);
    return made;
  }();
  return kMethod;
}

BIO* make_bio(void* data) {
  BIO* out = BIO_new(string_method());
  PH_CHECK(out != nullptr);
  BIO_set_data(out, data);
  return out;
}

std::string verify_problem(const SSL* ssl) {
  const long verdict = SSL_get_verify_result(ssl);
  return verdict == X509_V_OK ? "" : X509_verify_cert_error_string(verdict);
}

}  // namespace

void Engine::Connection::fail_with(Error why) {
  if (state == State::failed) return;
  state = State::failed;
  error = std::move(why);
  in = {};
}

// A call of OpenSSL gave `result` <= 0: either it wants more octets, or it is over.
void Engine::Connection::stop(int result) {
  const int code = SSL_get_error(ssl.get(), result);
  if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) return;
  if (code == SSL_ERROR_ZERO_RETURN) {
    if (state == State::handshaking) {
      return fail_with(fail(kHandshakeFailed, "the peer closed during the handshake"));
    }
    state = State::peer_closed;
    return;
  }
  const std::string problem = verify == Verify::required ? verify_problem(ssl.get()) : "";
  const std::string reason = detail::take_error();
  if (state != State::handshaking) return fail_with(fail(kProtocol, reason));
  if (!problem.empty()) return fail_with(fail(kPeerNotVerified, problem));
  fail_with(fail(kHandshakeFailed, reason));
}

void Engine::Connection::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl.get());
  if (result == 1) {
    state = State::open;
  } else {
    stop(result);
  }
}

// Each call of SSL_read_ex takes a whole record, so nothing decrypted stays behind inside OpenSSL
// when the cap stops this: what is left is ciphertext that feed() has not consumed.
void Engine::Connection::read() {
  while (state == State::open && waiting() < kPlaintextCap) {
    if (plain_from == plain.size()) {
      plain.clear();
      plain_from = 0;
    }
    const size_t had = plain.size();
    size_t got = 0;
    int result = 0;
    plain.resize_and_overwrite(had + kRecordMax, [&](char* data, size_t) {
      ERR_clear_error();
      result = SSL_read_ex(ssl.get(), data + had, kRecordMax, &got);
      return had + got;
    });
    if (result != 1) {
      stop(result);
      break;
    }
  }
  if (plain.empty() && plain.capacity() > 0) std::string().swap(plain);
}

Engine::Engine(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

// The connection lies on the heap, so its addresses in the BIOs stay right when the engine moves.
Engine Engine::server(const Context& context) {
  auto connection = std::make_unique<Connection>();
  connection->ssl.reset(SSL_new(context.native()));
  PH_CHECK(connection->ssl != nullptr);
  SSL_set_bio(connection->ssl.get(), make_bio(&connection->in), make_bio(&connection->out));
  SSL_set_accept_state(connection->ssl.get());
  return Engine(std::move(connection));
}

Engine Engine::client(const Context& context, const ClientSetup& setup) {
  auto connection = std::make_unique<Connection>();
  connection->role = Connection::Role::client;
  connection->verify = setup.verify;
  connection->host = setup.host;
  connection->ssl.reset(SSL_new(context.native()));
  SSL* ssl = connection->ssl.get();
  PH_CHECK(ssl != nullptr);
  SSL_set_bio(ssl, make_bio(&connection->in), make_bio(&connection->out));
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_time(rules, static_cast<time_t>(setup.now.unix_s()));
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool address = is_ip_address(setup.host);
  // A name that OpenSSL cannot take matches nothing: verification then fails, as it should.
  const int named = address ? X509_VERIFY_PARAM_set1_ip_asc(rules, setup.host.c_str())
                            : X509_VERIFY_PARAM_set1_host(rules, setup.host.c_str(), 0);
  const bool checkable = named == 1 && !setup.host.empty();
  if (!address && checkable) SSL_set_tlsext_host_name(ssl, setup.host.c_str());
  const bool required = setup.verify == Verify::required;
  SSL_set_verify(ssl, required ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (required && !checkable) {
    connection->fail_with(fail(kPeerNotVerified, "no host name to verify"));
  }
  return Engine(std::move(connection));
}

void Engine::start() {
  if (connection_->role == Connection::Role::client && connection_->state == State::handshaking) {
    connection_->handshake();
  }
}

size_t Engine::feed(std::string_view ciphertext) {
  Connection& c = *connection_;
  if (c.state == State::failed || c.state == State::peer_closed) return ciphertext.size();
  c.in = ciphertext;
  if (c.state == State::handshaking) c.handshake();
  if (c.state == State::open) c.read();
  const bool over = c.state == State::failed || c.state == State::peer_closed;
  const size_t left = over ? 0 : c.in.size();
  c.in = {};
  return ciphertext.size() - left;
}

std::string Engine::take_output() {
  std::string out = std::move(connection_->out);
  connection_->out = {};
  return out;
}

bool Engine::has_output() const { return !connection_->out.empty(); }

std::string_view Engine::plaintext() const {
  return std::string_view(connection_->plain).substr(connection_->plain_from);
}

void Engine::consume(size_t octets) {
  Connection& c = *connection_;
  PH_CHECK(octets <= c.waiting());
  c.plain_from += octets;
  if (c.plain_from < c.plain.size()) return;
  std::string().swap(c.plain);
  c.plain_from = 0;
}

Status Engine::write(std::string_view plaintext) {
  Connection& c = *connection_;
  if (c.state == State::failed) return Error(*c.error);
  if (c.state == State::handshaking || c.closed) return fail(kProtocol, "not open for writing");
  while (!plaintext.empty()) {
    size_t written = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(c.ssl.get(), plaintext.data(), plaintext.size(), &written);
    if (result != 1) {
      c.fail_with(fail(kProtocol, detail::take_error()));
      return Error(*c.error);
    }
    plaintext.remove_prefix(written);
  }
  return {};
}

void Engine::close() {
  Connection& c = *connection_;
  const bool able = c.state == State::open || c.state == State::peer_closed;
  if (able && !c.closed) SSL_shutdown(c.ssl.get());
  ERR_clear_error();
  c.closed = true;
}

void Engine::end_of_stream() {
  Connection& c = *connection_;
  if (c.state == State::handshaking) {
    c.fail_with(fail(kHandshakeFailed, "the connection ended during the handshake"));
  } else if (c.state == State::open) {
    c.fail_with(fail(kTruncated, "the connection ended without close_notify"));
  }
}

State Engine::state() const { return connection_->state; }
const std::optional<Error>& Engine::error() const { return connection_->error; }

Info Engine::info() const {
  const Connection& c = *connection_;
  const SSL* ssl = c.ssl.get();
  Info out;
  if (c.state == State::handshaking) return out;
  out.version = SSL_get_version(ssl);
  out.cipher = SSL_get_cipher_name(ssl);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  out.server_name = name != nullptr ? std::string(name) : std::string();
  if (c.role == Connection::Role::server || SSL_get0_peer_certificate(ssl) == nullptr) return out;
  out.peer_problem = c.host.empty() ? "no host name to verify" : verify_problem(ssl);
  out.peer_verified = out.peer_problem.empty();
  return out;
}

std::optional<std::string> Engine::channel_binding() const {
  SSL* ssl = connection_->ssl.get();
  if (connection_->state != State::open || SSL_version(ssl) != TLS1_3_VERSION) return std::nullopt;
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::string out(kBindingSize, '\0');
  const int made =
      SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                 kLabel.data(), kLabel.size(), nullptr, 0, 0);
  if (made != 1) return std::nullopt;
  return out;
}

}  // namespace ph::tls
