#include "core/progress_line.h"

#include <algorithm>

namespace cola {

std::string fit_progress(std::string text, const std::string& eta, std::size_t columns) {
  const std::string end = "  ETA " + eta;
  if (text.size() + end.size() <= columns) return text + end;
  for (auto gap = text.find("  "); gap != std::string::npos; gap = text.find("  ", gap)) text.erase(gap, 1);
  const std::size_t room = columns - std::min(columns, end.size() - 1);
  return (text.substr(0, room) + end.substr(1)).substr(0, columns);
}

}  // namespace cola
