#include "text/jinja/python_notation.h"

#include <fmt/format.h>
#include <unicode/uchar.h>

#include "text/jinja/error.h"

namespace cola::jinja {
namespace {

class Writer {
 public:
  void write(const Value& value, int depth) {
    constexpr int most = 100;
    if (depth > most) throw Error(Error::Kind::exhausted, "a value nested deeper than 100 is printed");
    if (const Text* text = value.text()) return write_text(*text);
    if (const List* list = value.list();
        list != nullptr && (list->form == List::Form::list || list->is_tuple()))
      return write_list(*list, depth);
    if (const Dict* dict = value.dict()) return write_dict(*dict, depth);
    if (value.callable() != nullptr || value.space() != nullptr || value.list() != nullptr) {
      throw Error(Error::Kind::unknown,
                  fmt::format("a {} printed in Python's own notation is not known here", type_name(value)));
    }
    out.append(value.is_undefined() ? Text("Undefined") : text_of(value));
  }

  Text out;

 private:
  void write_list(const List& list, int depth) {
    out.append_bytes(list.is_tuple() ? "(" : "[");
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out.append_bytes(", ");
      write(list.items[i], depth + 1);
    }
    if (list.is_tuple() && list.items.size() == 1) out.append_bytes(",");
    out.append_bytes(list.is_tuple() ? ")" : "]");
  }

  void write_dict(const Dict& dict, int depth) {
    out.append_bytes("{");
    bool is_first = true;
    for (const auto& [key, value] : dict.items) {
      if (!is_first) out.append_bytes(", ");
      is_first = false;
      write(key, depth + 1);
      out.append_bytes(": ");
      write(value, depth + 1);
    }
    out.append_bytes("}");
  }

  void write_text(const Text& text) {
    if (text.is_markup)
      throw Error(Error::Kind::unknown, "a text marked safe in Python's own notation is not known here");
    const bool has_single = text.bytes.find('\'') != std::string::npos;
    const char quote = has_single && text.bytes.find('"') == std::string::npos ? '"' : '\'';
    out.bytes += quote;
    for (std::size_t at = 0; at < text.bytes.size();) {
      const std::size_t end = next_code_point(text.bytes, at);
      const std::string escape = escape_of(code_point_at(text.bytes, at), quote);
      const Text one = text.slice(at, end);
      out.append(escape.empty() ? one : one.changed_to(escape));
      at = end;
    }
    out.bytes += quote;
  }

  /// Empty for what stands as it is.
  static std::string escape_of(char32_t c, char quote) {
    if (c == '\\') return "\\\\";
    if (c == static_cast<char32_t>(quote)) return std::string("\\") + quote;
    if (c == '\n') return "\\n";
    if (c == '\r') return "\\r";
    if (c == '\t') return "\\t";
    if (c >= 0x20 && c < 0x7F) return {};
    const auto code = static_cast<unsigned>(c);
    switch (u_charType(static_cast<UChar32>(c))) {
      case U_UNASSIGNED:
        throw Error(Error::Kind::unknown,
                    fmt::format("U+{:04X} in Python's own notation is not known here", code));
      case U_CONTROL_CHAR:
      case U_FORMAT_CHAR:
      case U_PRIVATE_USE_CHAR:
      case U_SURROGATE:
      case U_SPACE_SEPARATOR:
      case U_LINE_SEPARATOR:
      case U_PARAGRAPH_SEPARATOR:
        return c < 0x100     ? fmt::format("\\x{:02x}", code)
               : c < 0x10000 ? fmt::format("\\u{:04x}", code)
                             : fmt::format("\\U{:08x}", code);
      default:
        return {};
    }
  }
};

}  // namespace

Text python_notation(const Value& value) {
  Writer writer;
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace cola::jinja
