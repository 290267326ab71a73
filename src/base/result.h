// Results and errors.
//
// A function that can fail returns Result<T>. An Error names one ErrorKind (an entry of the closed
// list in a module's errors.h), carries its disposition (what a caller may do about it), a context
// for people, and for transient faults an optional hint when to try again. Kinds are compared by
// identity: error.is(rt::kTimedOut). No integer codes cross a module.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"

namespace ph {

enum class Disposition : uint8_t {
  transient,  // may work later: the caller schedules another attempt
  permanent,  // will not work for this input
  conflict,   // someone else was first: read again, decide again
  cancelled,  // the caller's own Scope was cancelled: propagate
  bug,        // Posthorn broke its own rules: count it, hold the message, go on with the rest
};

std::string_view to_text(Disposition d);

struct ErrorKind {
  std::string_view module;
  std::string_view name;
  Disposition disposition;
};

class Error {
 public:
  explicit Error(const ErrorKind& kind, std::string context = {})
      : kind_(&kind), context_(std::move(context)) {}

  bool is(const ErrorKind& kind) const { return kind_ == &kind; }
  const ErrorKind& kind() const { return *kind_; }
  Disposition disposition() const { return kind_->disposition; }
  const std::string& context() const { return context_; }
  std::optional<Duration> retry_after() const { return retry_after_; }

  // Puts "what" in front of the context; used at module borders only.
  Error&& with_context(std::string_view what) &&;
  Error&& with_retry_after(Duration d) && {
    retry_after_ = d;
    return std::move(*this);
  }
  // "module.name: context"
  std::string to_text() const;

 private:
  const ErrorKind* kind_;
  std::string context_;
  std::optional<Duration> retry_after_;
};

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}
};

using Status = Result<void>;

inline Error fail(const ErrorKind& kind, std::string context = {}) {
  return Error(kind, std::move(context));
}

}  // namespace ph

#define PH_CAT_INNER(a, b) a##b
#define PH_CAT(a, b) PH_CAT_INNER(a, b)

// PH_TRY(auto x, f()): declares x from the value of f(), or returns f()'s error.
#define PH_TRY(declaration, expression) \
  PH_TRY_INNER(PH_CAT(ph_try_, __LINE__), return, declaration, expression)
#define PH_CO_TRY(declaration, expression) \
  PH_TRY_INNER(PH_CAT(ph_try_, __LINE__), co_return, declaration, expression)
// PH_TRY_STATUS(f()): the same for a Result<void>.
#define PH_TRY_STATUS(expression) PH_TRY_STATUS_INNER(PH_CAT(ph_try_, __LINE__), return, expression)
#define PH_CO_TRY_STATUS(expression) \
  PH_TRY_STATUS_INNER(PH_CAT(ph_try_, __LINE__), co_return, expression)

#define PH_TRY_INNER(name, leave, declaration, expression) \
  auto name = (expression);                                \
  if (!name.has_value()) leave std::move(name).error();    \
  declaration = std::move(name).value()
#define PH_TRY_STATUS_INNER(name, leave, expression) \
  if (auto name = (expression); !name.has_value()) leave std::move(name).error()
