#include "base/result.h"

namespace ph {

std::string_view to_text(Disposition d) {
  switch (d) {
    case Disposition::transient: return "transient";
    case Disposition::permanent: return "permanent";
    case Disposition::conflict: return "conflict";
    case Disposition::cancelled: return "cancelled";
    case Disposition::bug: return "bug";
  }
  return "bug";
}

Error&& Error::with_context(std::string_view what) && {
  std::string joined(what);
  if (!context_.empty()) {
    joined += ": ";
    joined += context_;
  }
  context_ = std::move(joined);
  return std::move(*this);
}

std::string Error::to_text() const {
  std::string out(kind_->module);
  out += '.';
  out += kind_->name;
  if (!context_.empty()) {
    out += ": ";
    out += context_;
  }
  return out;
}

}  // namespace ph
