#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace cola {

/// Everything that is wrong with a plan, told at once.
class Problems {
 public:
  void add(std::string_view problem) {
    if (std::ranges::find(list_, problem) == list_.end()) list_.emplace_back(problem);
  }
  [[nodiscard]] const std::vector<std::string>& list() const { return list_; }

  /// Throws UsageError with one line a problem, if there is any.
  void refuse(const std::string& where) const {
    if (list_.empty()) return;
    std::string text = where + ": nothing was run:";
    for (const std::string& problem : list_) text += "\n  " + problem;
    throw UsageError(text);
  }

 private:
  std::vector<std::string> list_;
};

}  // namespace cola
