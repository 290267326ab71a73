// Owning pointers for OpenSSL's objects, and its errors as text. Private to this room.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

namespace ph::tls::detail {

struct Free {
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// The first error of OpenSSL's queue for this thread, as words; empties the queue.
std::string take_error();

// A read-only BIO over `text`, which must outlive it.
Owned<BIO> reader(std::string_view text);

}  // namespace ph::tls::detail
