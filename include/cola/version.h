#pragma once
#include <string_view>

namespace cola {

/// Version (major.minor.patch) of these headers, and so what an application was compiled with.
inline constexpr std::string_view header_version = "0.1.0";

/// Version of the library that the application is linked with.
[[nodiscard]] std::string_view version();

}  // namespace cola
