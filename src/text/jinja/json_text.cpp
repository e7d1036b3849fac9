#include "text/jinja/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/error.h"

namespace cola::jinja {
namespace {

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void write(const Value& value, int depth) {
    constexpr int most = 100;
    if (depth > most) throw Error(Error::Kind::exhausted, "tojson of what is nested deeper than 100");
    if (const Text* text = value.text()) return write_text(*text);
    if (const List* list = value.list();
        list != nullptr && (list->form == List::Form::list || list->is_tuple())) {
      return write_all('[', ']', list->items, depth, [&](const Value& item) { write(item, depth + 1); });
    }
    if (const Dict* dict = value.dict()) {
      auto items = dict->items;
      if (style_.sort_keys)
        std::ranges::stable_sort(items, is_less, [](const auto& item) { return item.first; });
      return write_all('{', '}', items, depth, [&](const auto& item) {
        write_key(item.first);
        out.append_bytes(style_.key_separator);
        write(item.second, depth + 1);
      });
    }
    if (value.is_none()) return out.append_bytes("null");
    if (const auto* truth = value.get<bool>()) return out.append_bytes(*truth ? "true" : "false");
    if (const auto* real = value.get<double>()) return write_real(*real);
    if (value.is<std::int64_t>() || value.is<LargeInteger>()) return out.append_bytes(text_of(value).bytes);
    throw Error(Error::Kind::failed, "Object of type " + type_name(value) + " is not JSON serializable");
  }

  Text out;

 private:
  /// What is no text becomes one.
  void write_key(const Value& key) {
    if (key.text() != nullptr) return write_text(*key.text());
    if (key.list() != nullptr) {
      throw Error(Error::Kind::failed,
                  fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
    }
    out.bytes += '"';
    write(key, 0);
    out.bytes += '"';
  }

  void write_real(double real) {
    if (std::isnan(real)) return out.append_bytes("NaN");
    if (std::isinf(real)) return out.append_bytes(real > 0 ? "Infinity" : "-Infinity");
    out.append_bytes(float_text(real));
  }

  template <class Items, class Each>
  void write_all(char open, char close, const Items& items, int depth, const Each& each) {
    out.bytes += open;
    bool is_first = true;
    for (const auto& item : items) {
      if (!is_first) out.append_bytes(style_.item_separator);
      is_first = false;
      new_line(depth + 1);
      each(item);
    }
    if (!items.empty()) new_line(depth);
    out.bytes += close;
  }

  void new_line(int depth) {
    if (!style_.has_indent) return;
    out.bytes += '\n';
    for (int i = 0; i < depth; ++i) out.append_bytes(style_.indent);
  }

  void write_text(const Text& text) {
    out.bytes += '"';
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.bytes.size();) {
      const std::size_t end = next_code_point(text.bytes, at);
      const std::string escape = escape_of(code_point_at(text.bytes, at));
      if (!escape.empty()) {
        out.append(text.slice(plain, at));
        out.append(text.slice(at, end).changed_to(escape));
        plain = end;
      }
      at = end;
    }
    out.append(text.slice(plain, text.bytes.size()));
    out.bytes += '"';
  }

  /// Empty for what stands as it is.
  [[nodiscard]] std::string escape_of(char32_t c) const {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    if (c < 0x20 || (style_.ensure_ascii && c >= 0x7F && c < 0x10000))
      return fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    if (!style_.ensure_ascii || c < 0x10000) return {};
    const auto rest = static_cast<unsigned>(c) - 0x10000U;
    return fmt::format("\\u{:04x}\\u{:04x}", 0xD800U + (rest >> 10U), 0xDC00U + (rest & 0x3FFU));
  }

  const JsonStyle& style_;
};

}  // namespace

Text json_text(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace cola::jinja
