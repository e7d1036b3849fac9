#include "text/normalizer.h"

#include <utility>

namespace cola {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  std::size_t start = 0;
  for (std::size_t found = text.find(from); found != std::string_view::npos; found = text.find(from, start)) {
    out.append(text.substr(start, found - start)).append(to);
    start = found + from.size();
  }
  return out.append(text.substr(start));
}

std::string Normalizer::operator()(std::string text) const {
  for (const Step& step : steps_) {
    if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (!text.empty()) text.insert(0, prepend->text);
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      text = replace_all(text, replace->from, replace->to);
    } else {
      text = to_unicode_form(std::get<UnicodeForm>(step), std::move(text));
    }
  }
  return text;
}

}  // namespace cola
