#include "cola/version.h"

namespace cola {

// COLA_VERSION is the version of CMake's project(): one number, stated in two places.
static_assert(header_version == std::string_view(COLA_VERSION),
              "include/cola/version.h and project(VERSION) in CMakeLists.txt differ");

std::string_view version() { return COLA_VERSION; }

}  // namespace cola
