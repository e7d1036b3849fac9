#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace cola::jinja {

/// Where something stands in a template: both count from 1, columns in code points. 0: not known.
struct Place {
  int line = 0;
  int column = 0;
};

/// Why a template could not be read or run.
class Error : public std::runtime_error {
 public:
  enum class Kind : std::uint8_t {
    refusal,    ///< the template's own raise_exception, with its message
    malformed,  ///< no Jinja
    unknown,    ///< Jinja that this interpreter does not have
    failed,     ///< what the template asks for cannot be had: a member of something undefined, a wrong type
    exhausted,  ///< too many steps, too deep, too much text
  };

  Error(Kind kind, const std::string& message, Place place = {})
      : std::runtime_error(message), kind_(kind), place_(place) {}

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] Place place() const { return place_; }

 private:
  Kind kind_;
  Place place_;
};

[[noreturn]] inline void fail(const std::string& message) { throw Error(Error::Kind::failed, message); }

}  // namespace cola::jinja
