// What cola inspect says of a GGUF file beside what it says of every model.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <utility>

#include "cli/inspections.h"
#include "core/system_memory.h"
#include "io/gguf/gguf_file.h"
#include "io/printable.h"

namespace cola {
namespace {

struct ValueText {
  Json operator()(const GgufArray& array) const {
    return fmt::format("{} x {}", array.count, gguf_type_name(array.element_type));
  }
  Json operator()(std::string_view text) const { return printable(text); }
  Json operator()(float number) const { return std::stod(fmt::format("{}", number)); }
  template <class T>
  Json operator()(T number) const {
    return number;
  }
};

}  // namespace

void add_gguf(const std::filesystem::path& file, Inspection& inspection) {
  const GgufFile contents(file);
  inspection.text += "keys:\n";
  Json& keys = inspection.json["keys"];
  for (const auto& [key, value] : contents.keys().all()) {
    const Json shown = std::visit(ValueText{}, value);
    keys[printable(key)] = shown;
    inspection.text += fmt::format("  {} = {}\n", printable(key),
                                   shown.is_string() ? shown.get<std::string>() : shown.dump());
  }
  std::map<DType, std::pair<std::int64_t, std::int64_t>> types;  // tensors, bytes
  for (const auto& [name, tensor] : contents.tensors()) {
    auto& [count, bytes] = types[tensor.dtype];
    ++count;
    bytes += static_cast<std::int64_t>(tensor.bytes);
  }
  inspection.text += "types:\n";
  for (const auto& [dtype, of_type] : types) {
    inspection.json["types"][std::string(name_of(dtype))] = {{"tensors", of_type.first},
                                                             {"bytes", of_type.second}};
    inspection.text += fmt::format("  {:<7} {:>5} tensors, {}\n", name_of(dtype), of_type.first,
                                   format_bytes(of_type.second));
  }
}

}  // namespace cola
