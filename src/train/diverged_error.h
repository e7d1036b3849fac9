#pragma once
#include "core/error.h"

namespace cola {

/// A loss or gradient that is no longer finite: the same options end so again.
class DivergedError : public Error {
 public:
  using Error::Error;
};

}  // namespace cola
