// A chat template of arbitrary bytes, and then a conversation: what is accepted renders or is refused with an
// error of the interpreter's own, within the limits.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/jinja/json_value.h"
#include "text/jinja/template.h"

namespace {

using cola::jinja::Dict;
using cola::jinja::Text;

Dict variables() {
  static const cola::jinja::Value given = cola::jinja::value_of_json(
      R"({"messages": [{"role": "user", "content": "Hé \"you\""}, {"role": "assistant", "content": [{"type": "text",
      "text": " a\nb "}], "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1, -2.5, null, true]}}}]}],
      "tools": [{"name": "f"}], "x": {"b": 1, "A": [3, 1, 2]}, "bos_token": "<s>", "n": 7})");
  Dict all;
  for (const auto& [key, value] : given.dict()->items) all.set(key, cola::jinja::with_origin(value, 3));
  return all;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cola::jinja::RenderOptions options;
  options.most_steps = 20'000;
  options.most_bytes = 1 << 16;
  try {
    const cola::jinja::Template parsed(std::string_view(reinterpret_cast<const char*>(data), size));
    const cola::jinja::Rendered rendered = parsed.render(variables(), options);
    const std::size_t length = rendered.text.bytes.size();
    std::size_t end = 0;
    if (length > options.most_bytes) std::abort();
    for (const cola::jinja::Origin& origin : rendered.text.origins) {
      if (origin.begin < end || origin.begin >= origin.end || origin.end > length || origin.part != 3)
        std::abort();
      end = origin.end;
    }
  } catch (const cola::jinja::Error&) {
  }
  return 0;
}
