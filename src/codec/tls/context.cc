#include "codec/tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/check.h"
#include "codec/tls/detail/openssl.h"
#include "codec/tls/errors.h"

namespace ph::tls {
namespace {

using detail::Owned;
using detail::reader;
using detail::take_error;

// Settings for both sides. Idle connections give their buffers back; no session cache, since
// tickets do the same without memory here.
void configure(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 0);
}

Result<Owned<X509>> read_certificate(BIO* from) {
  Owned<X509> out(PEM_read_bio_X509(from, nullptr, nullptr, nullptr));
  if (!out) return fail(kBadCertificate, "no certificate: " + take_error());
  return out;
}

// The end of a PEM file is reported as an error "no start line".
bool is_end_of_pem() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

Status use_chain(SSL_CTX* context, std::string_view pem) {
  const Owned<BIO> from = reader(pem);
  PH_TRY(Owned<X509> leaf, read_certificate(from.get()));
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return fail(kBadCertificate, take_error());
  }
  while (X509* more = PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, more) != 1) {
      X509_free(more);
      return fail(kBadCertificate, take_error());
    }
  }
  if (!is_end_of_pem()) return fail(kBadCertificate, "the chain is malformed");
  return {};
}

// An encrypted key must not ask for its passphrase at the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Status use_key(SSL_CTX* context, std::string_view pem) {
  const Owned<BIO> from = reader(pem);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(from.get(), nullptr, no_passphrase, nullptr));
  if (!key) return fail(kBadCertificate, "no usable private key: " + take_error());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return fail(kBadCertificate, "the key does not fit the certificate: " + take_error());
  }
  return {};
}

Status trust_text(SSL_CTX* context, std::string_view pem) {
  const Owned<BIO> from = reader(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  size_t count = 0;
  while (true) {
    const Owned<X509> one(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    if (X509_STORE_add_cert(store, one.get()) != 1) return fail(kBadTrust, take_error());
    ++count;
  }
  if (!is_end_of_pem() || count == 0) return fail(kBadTrust, "the bundle is malformed or empty");
  return {};
}

}  // namespace

void Context::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<Context> Context::server(const Identity& identity) {
  Owned context(SSL_CTX_new(TLS_server_method()));
  PH_CHECK(context != nullptr);
  ERR_clear_error();
  configure(context.get());
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  PH_TRY_STATUS(use_chain(context.get(), identity.certificate_pem));
  PH_TRY_STATUS(use_key(context.get(), identity.key_pem));
  return Context(std::move(context));
}

Result<Context> Context::client(const Trust& trust) {
  Owned context(SSL_CTX_new(TLS_client_method()));
  PH_CHECK(context != nullptr);
  ERR_clear_error();
  configure(context.get());
  if (!trust.bundle_path.empty() &&
      SSL_CTX_load_verify_file(context.get(), trust.bundle_path.c_str()) != 1) {
    return fail(kBadTrust, trust.bundle_path + ": " + take_error());
  }
  if (!trust.bundle_pem.empty()) PH_TRY_STATUS(trust_text(context.get(), trust.bundle_pem));
  return Context(std::move(context));
}

}  // namespace ph::tls
