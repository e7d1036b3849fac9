#pragma once
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "backend/context.h"

namespace cola::ops {

/// What an op has cost: wall time, the products' FLOPs (as Context counts them), and the bytes of the
/// operands that it reads and writes once each, whatever the caches make of it.
struct OpCost {
  std::uint64_t calls = 0;
  double seconds = 0.0;
  std::uint64_t flops = 0;
  std::uint64_t bytes = 0;
};

/// Where the time of a context's ops goes, by op. An op that another calls counts as part of that other.
class Profile {
 public:
  [[nodiscard]] const std::map<std::string, OpCost, std::less<>>& costs() const { return costs_; }

 private:
  friend class ProfileScope;
  std::map<std::string, OpCost, std::less<>> costs_;
  bool in_op_ = false;
};

/// Stands at the beginning of an op: adds the time until it is done to the context's profile, where it has
/// one.
class ProfileScope {
 public:
  ProfileScope(Context& context, std::string_view op, std::uint64_t bytes);
  ~ProfileScope();
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  Context& context_;
  std::string_view op_;
  std::uint64_t bytes_;
  Profile* profile_;  ///< null where nothing is to be counted
  std::uint64_t flops_before_ = 0;
  Clock::time_point start_;
};

[[nodiscard]] std::uint64_t bytes_of(std::initializer_list<ConstMatrixView> operands);

}  // namespace cola::ops
