#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/check.h"
#include "base/text.h"
#include "codec/tls/context.h"
#include "codec/tls/detail/openssl.h"
#include "codec/tls/errors.h"

namespace ph::tls {
namespace {

using detail::Owned;
using detail::take_error;

constexpr size_t kNameMax = 253;
constexpr size_t kCommonNameMax = 64;  // RFC 5280 ub-common-name

bool is_dns_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '*' || c == '_';
  });
}

template <class Write>
std::string to_pem(Write write) {
  const Owned<BIO> to(BIO_new(BIO_s_mem()));
  PH_CHECK(to != nullptr);
  PH_CHECK(write(to.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(to.get(), &data);
  return {data, static_cast<size_t>(size)};
}

void set_serial(X509* certificate) {
  std::array<unsigned char, 16> octets{};
  PH_CHECK(RAND_bytes(octets.data(), static_cast<int>(octets.size())) == 1);
  octets[0] = static_cast<unsigned char>((octets[0] & 0x7F) | 0x40);  // positive, never zero
  BIGNUM* number = BN_bin2bn(octets.data(), static_cast<int>(octets.size()), nullptr);
  PH_CHECK(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr);
  BN_free(number);
}

void set_validity(X509* certificate, Time not_before) {
  const auto set = [](ASN1_TIME* field, Time at) {
    PH_CHECK(ASN1_TIME_set(field, static_cast<time_t>(at.unix_s())) != nullptr);
  };
  set(X509_getm_notBefore(certificate), not_before);
  CivilTime end = civil_from_time(not_before);
  end.year += 10;
  set(X509_getm_notAfter(certificate), time_from_civil(end));
}

Status add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return fail(kBadCertificate, take_error());
  }
  return {};
}

Status set_names(X509* certificate, const std::vector<std::string>& names) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  // A longer name stays in the SAN alone, which is what clients look at.
  const std::string common = names.front().substr(0, kCommonNameMax);
  const auto* octets = reinterpret_cast<const unsigned char*>(common.data());
  PH_CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, octets,
                                      static_cast<int>(common.size()), -1, 0) == 1);
  PH_CHECK(X509_set_issuer_name(certificate, subject) == 1);
  std::string alternatives;
  for (const std::string& name : names) {
    alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  }
  return add_extension(certificate, NID_subject_alt_name, alternatives);
}

}  // namespace

Result<SelfSigned> make_self_signed(const std::vector<std::string>& dns_names, Time not_before) {
  if (dns_names.empty() || !std::ranges::all_of(dns_names, is_dns_name)) {
    return fail(kBadCertificate, "DNS names are needed");
  }
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  PH_CHECK(key != nullptr);
  PH_CHECK(certificate != nullptr);
  X509* c = certificate.get();
  PH_CHECK(X509_set_version(c, X509_VERSION_3) == 1);
  set_serial(c);
  set_validity(c, not_before);
  PH_CHECK(X509_set_pubkey(c, key.get()) == 1);
  PH_TRY_STATUS(set_names(c, dns_names));
  // Its own authority, so that a client can be told to trust exactly this certificate.
  PH_TRY_STATUS(add_extension(c, NID_basic_constraints, "critical,CA:TRUE"));
  PH_TRY_STATUS(add_extension(c, NID_key_usage, "critical,digitalSignature,keyCertSign"));
  PH_TRY_STATUS(add_extension(c, NID_ext_key_usage, "serverAuth,clientAuth"));
  PH_TRY_STATUS(add_extension(c, NID_subject_key_identifier, "hash"));
  if (X509_sign(c, key.get(), EVP_sha256()) == 0) return fail(kBadCertificate, take_error());
  return SelfSigned{.certificate_pem = to_pem([&](BIO* to) { return PEM_write_bio_X509(to, c); }),
                    .key_pem = to_pem([&](BIO* to) {
                      return PEM_write_bio_PKCS8PrivateKey(to, key.get(), nullptr, nullptr, 0,
                                                           nullptr, nullptr);
                    })};
}

}  // namespace ph::tls
