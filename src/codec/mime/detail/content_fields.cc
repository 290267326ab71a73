#include "codec/mime/detail/content_fields.h"

#include <algorithm>

#include "base/text.h"

namespace ph::mime {
namespace {

// RFC 2046 section 5.1.1 says 70; real mail has longer ones.
constexpr size_t kBoundaryMax = 8192;
constexpr size_t kLanguagesMax = 100;

bool is_token(std::string_view text) {
  constexpr std::string_view kSpecials = "()<>@,;:\\\"/[]?=";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return c > ' ' && c < 0x7F && kSpecials.find(c) == std::string_view::npos;
  });
}

// Splits "type/subtype; parameters" or "type; parameters" behind the token part.
struct Split {
  std::string_view head;
  std::string_view rest;
};
Split split_head(std::string_view value) {
  value = trim(value);
  const size_t end = std::min(value.find_first_of(";( \t"), value.size());
  return {value.substr(0, end), value.substr(end)};
}

void set_type(Part& part, std::string_view type) {
  const size_t slash = type.find('/');
  part.type = to_lower(type.substr(0, slash));
  part.subtype = to_lower(type.substr(slash + 1));
}

void read_type(Part& part, std::string_view value, size_t parameter_limit) {
  const Split split = split_head(value);
  const size_t slash = split.head.find('/');
  if (slash == std::string_view::npos || !is_token(split.head.substr(0, slash)) ||
      !is_token(split.head.substr(slash + 1))) {
    return set_type(part, "text/plain");  // RFC 2045 section 5.2
  }
  set_type(part, split.head);
  part.parameters = text::parse_parameters(split.rest, parameter_limit);
}

std::optional<Disposition> read_disposition(std::string_view value, size_t parameter_limit) {
  if (trim(value).empty()) return std::nullopt;
  const Split split = split_head(value);
  Disposition out;
  out.type = is_token(split.head) ? to_lower(split.head) : "attachment";  // RFC 2183 section 2.8
  out.parameters = text::parse_parameters(split.rest, parameter_limit);
  return out;
}

std::vector<std::string> read_languages(std::string_view value) {
  std::vector<std::string> out;
  while (!value.empty() && out.size() < kLanguagesMax) {
    const size_t comma = std::min(value.find(','), value.size());
    const std::string_view tag = trim(value.substr(0, comma));
    if (!tag.empty()) out.emplace_back(tag);
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return out;
}

}  // namespace

void read_content_fields(Part& part, const HeaderView& header, std::string_view default_type,
                         size_t parameter_limit) {
  bool has_type = false;
  bool has_encoding = false;
  set_type(part, default_type);
  const auto keep_first = [](std::optional<std::string>& slot, const Field& field) {
    if (slot) return;
    std::string value = field.value();
    if (!value.empty()) slot = std::move(value);
  };
  const auto limit = [&] {
    const size_t used =
        part.parameters.size() + (part.disposition ? part.disposition->parameters.size() : 0);
    return std::min(parameter_limit - used, text::kParametersMax);
  };
  for (const Field& field : header) {
    if (!istarts_with(field.name, "Content-")) continue;
    if (field.is("Content-Type") && !has_type) {
      has_type = true;
      read_type(part, field.value(), limit());
    } else if (field.is("Content-Transfer-Encoding") && !has_encoding) {
      has_encoding = true;
      part.encoding = split_head(field.value()).head;
      part.transfer = text::parse_transfer_encoding(part.encoding);
    } else if (field.is("Content-Disposition") && !part.disposition) {
      part.disposition = read_disposition(field.value(), limit());
    } else if (field.is("Content-Language") && part.languages.empty()) {
      part.languages = read_languages(field.value());
    } else if (field.is("Content-ID")) {
      keep_first(part.id, field);
    } else if (field.is("Content-Description")) {
      keep_first(part.description, field);
    } else if (field.is("Content-MD5")) {
      keep_first(part.md5, field);
    } else if (field.is("Content-Location")) {
      keep_first(part.location, field);
    }
  }
}

std::string usable_boundary(const Part& part) {
  std::string boundary;
  if (const std::string* plain = text::plain_parameter(part.parameters, "boundary")) {
    boundary = *plain;
  } else {
    boundary = text::parameter(part.parameters, "boundary").value_or("");
  }
  while (!boundary.empty() && is_blank(boundary.back())) boundary.pop_back();
  if (boundary.size() > kBoundaryMax || boundary.find_first_of("\r\n") != std::string::npos) {
    return "";
  }
  return boundary;
}

}  // namespace ph::mime
