#pragma once
#include "core/error.h"

namespace cola {

/// A model that training has broken: a loss, a gradient or the hidden states are no longer finite, or the
/// gradient is exactly 0. The same options end so again.
class DivergedError : public Error {
 public:
  using Error::Error;
};

}  // namespace cola
