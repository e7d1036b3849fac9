#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/matrix.h"

namespace cola::ops {

class Backend;
class Profile;

/// What ops need beside their operands: the backend that computes them, a count of the work done and reusable
/// scratch memory. One per thread of control; ops called with the same context must not run at the same time.
///
/// Views, and spans of tensors' values, lie in memory(). Spans that describe a batch (ids, positions,
/// offsets, rows, targets, token keys, loss weights) are the host's. Ops of a device may return before they
/// are done; they are done in the order of the calls, and Memory::download waits for what it needs.
class Context {
 public:
  Context();  ///< of the CPU
  explicit Context(Backend& backend) : backend_(&backend) {}

  [[nodiscard]] Backend& backend() const { return *backend_; }
  [[nodiscard]] Memory& memory() const;

  /// Multiply-adds x 2 executed by matrix products so far (`real_flops`): counted in the products themselves.
  [[nodiscard]] std::uint64_t flops() const { return flops_; }
  void add_flops(std::uint64_t flops) { flops_ += flops; }
  void set_flops(std::uint64_t flops) { flops_ = flops; }  ///< of a backend that calls an op twice

  /// A scratch matrix by name in memory(), grown when needed and kept. Contents are unspecified; an op uses
  /// names of its own.
  [[nodiscard]] MatrixView scratch(const std::string& name, DType dtype, std::int64_t rows,
                                   std::int64_t cols);

  /// Null until start_profile(), which forgets an earlier one.
  [[nodiscard]] Profile* profile() { return profile_.get(); }
  void start_profile();

 private:
  Backend* backend_;
  std::uint64_t flops_ = 0;
  std::shared_ptr<Profile> profile_;
  std::map<std::string, Matrix> scratch_;
};

/// Whether a result replaces what the destination holds or is added to it.
enum class Write : std::uint8_t { replace, add };

}  // namespace cola::ops
