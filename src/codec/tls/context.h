// What TLS engines are made from: a server's certificate and key, or a client's trust. TLS 1.2 and
// newer; no renegotiation, no compression, no ALPN.
//
// Built once and shared by all connections of a loop or of all loops (an engine keeps what it needs
// of it alive; creating engines from several threads is allowed). New keys are a new context:
// connections made from the old one go on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

struct ssl_ctx_st;

namespace ph::tls {

class Context {
 public:
  // PEM: the certificate with its chain behind it, and its private key. Errors: kBadCertificate
  // (unreadable, or the key is of another certificate).
  struct Identity {
    std::string_view certificate_pem;
    std::string_view key_pem;
  };
  static Result<Context> server(const Identity& identity);

  // Both may be empty: then nothing can be verified. Errors: kBadTrust.
  struct Trust {
    std::string bundle_path;      // a file of PEM certificates, read now
    std::string_view bundle_pem;  // the same as text
  };
  static Result<Context> client(const Trust& trust);

  ssl_ctx_st* native() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Owned = std::unique_ptr<ssl_ctx_st, Free>;
  explicit Context(Owned context) : context_(std::move(context)) {}

  Owned context_;
};

// A new ECDSA P-256 key with a self-signed certificate for it, valid ten years from `not_before`.
// The names become CN (the first) and SAN (all). Keys and serial come from OpenSSL's own
// randomness, so the result differs each time. Errors: kBadCertificate (no name, or one that is not
// a DNS name).
struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};
Result<SelfSigned> make_self_signed(const std::vector<std::string>& dns_names, Time not_before);

}  // namespace ph::tls
