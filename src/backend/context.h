#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/matrix.h"

namespace cola::ops {

class Profile;

/// What ops need beside their operands: a count of the work done and reusable scratch memory. One per thread
/// of control; ops called with the same context must not run at the same time.
class Context {
 public:
  /// Multiply-adds x 2 executed by matrix products so far (`real_flops`): counted in the products themselves.
  [[nodiscard]] std::uint64_t flops() const { return flops_; }
  void add_flops(std::uint64_t flops) { flops_ += flops; }

  /// A scratch matrix by name, grown when needed and kept. Contents are unspecified; an op uses names of its
  /// own.
  [[nodiscard]] MatrixView scratch(const std::string& name, DType dtype, std::int64_t rows,
                                   std::int64_t cols);

  /// Null until start_profile(), which forgets an earlier one.
  [[nodiscard]] Profile* profile() { return profile_.get(); }
  void start_profile();

 private:
  std::uint64_t flops_ = 0;
  std::shared_ptr<Profile> profile_;
  std::map<std::string, Matrix> scratch_;
};

/// Whether a result replaces what the destination holds or is added to it.
enum class Write : std::uint8_t { replace, add };

}  // namespace cola::ops
