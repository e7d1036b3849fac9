#include "eval/official_json.h"

namespace cola {

Json official_json(const std::map<std::string, std::optional<double>>& scores) {
  Json json;
  for (const auto& [name, score] : scores) json[name] = score ? Json(*score) : Json(nullptr);
  return json;
}

}  // namespace cola
