#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/text.h"

namespace cola::jinja {

class Value;
struct CallArguments;

/// Nothing is there.
class Undefined {
 public:
  Undefined() = default;
  explicit Undefined(std::string what) : what_(std::make_shared<const std::string>(std::move(what))) {}
  /// Of what, for messages: "'x' is undefined"; may be empty.
  [[nodiscard]] const std::string& what() const {
    static const std::string nothing;
    return what_ != nullptr ? *what_ : nothing;
  }

 private:
  std::shared_ptr<const std::string> what_;
};
struct None {};
/// An integer beyond 64 bits, as it is written.
struct LargeInteger {
  std::string digits;
};
struct List {
  enum class Form : std::uint8_t {
    list,
    tuple,
    range,     ///< of range()
    view,      ///< of a dictionary's items, keys or values: neither indexed nor printed
    generator  ///< of a filter: gone through once
  };

  std::vector<Value> items;
  Form form = Form::list;
  std::shared_ptr<bool> is_used;  ///< of a generator: whether somebody has gone through it

  [[nodiscard]] bool is_tuple() const { return form == Form::tuple; }
  /// Whether it is indexed and has a length.
  [[nodiscard]] bool is_sequence() const { return form != Form::view && form != Form::generator; }
};
/// In the order of its keys' first occurrence.
struct Dict {
  std::vector<std::pair<Value, Value>> items;

  /// Null where there is no such key.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] const Value* find(const Value& key) const;
  /// Throws Error for a key that Python does not hash.
  void set(Value key, Value value);
};
/// namespace(): what `set x.name` changes.
struct Namespace {
  Dict members;
};
/// What a call calls: a macro, a function, a method of a value.
struct Callable {
  std::string name;
  std::function<Value(const CallArguments&)> call;
};

/// A value as templates see it. Copies share what they hold, which nobody changes but a namespace.
class Value {
 public:
  using Data =
      std::variant<Undefined, None, bool, std::int64_t, LargeInteger, double, std::shared_ptr<const Text>,
                   std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                   std::shared_ptr<const Callable>>;

  Value() = default;
  // NOLINTBEGIN(google-explicit-constructor): each is a value
  Value(None none) : data_(none) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  Value(bool truth) : data_(truth) {}
  Value(std::int64_t integer) : data_(integer) {}
  Value(LargeInteger integer) : data_(std::move(integer)) {}
  Value(double real) : data_(real) {}
  Value(Text text) : data_(std::make_shared<Text>(std::move(text))) {}
  Value(List list) : data_(std::make_shared<const List>(std::move(list))) {}
  Value(Dict dict) : data_(std::make_shared<const Dict>(std::move(dict))) {}
  Value(std::shared_ptr<Namespace> space) : data_(std::move(space)) {}
  Value(Callable callable) : data_(std::make_shared<const Callable>(std::move(callable))) {}
  // NOLINTEND(google-explicit-constructor)
  Value(const char*) = delete;

  template <class T>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<T>(data_);
  }
  template <class T>
  [[nodiscard]] const T* get() const {
    return std::get_if<T>(&data_);
  }
  /// Null where it is something else.
  [[nodiscard]] const Text* text() const { return pointee<Text>(); }
  [[nodiscard]] const List* list() const { return pointee<List>(); }
  [[nodiscard]] const Dict* dict() const { return pointee<Dict>(); }
  [[nodiscard]] const Callable* callable() const { return pointee<Callable>(); }
  [[nodiscard]] Namespace* space() const {
    const auto* held = get<std::shared_ptr<Namespace>>();
    return held != nullptr ? held->get() : nullptr;
  }
  template <class Visitor>
  [[nodiscard]] auto visit(const Visitor& visitor) const {
    return std::visit(visitor, data_);
  }
  /// The text that this is, without a copy where nobody shares it.
  [[nodiscard]] Text take_text() &&;
  [[nodiscard]] bool is_undefined() const { return is<Undefined>(); }
  [[nodiscard]] bool is_none() const { return is<None>(); }

 private:
  template <class T>
  [[nodiscard]] const T* pointee() const {
    const auto* held = get<std::shared_ptr<const T>>();
    return held != nullptr ? held->get() : nullptr;
  }

  Data data_;
};

/// Of a call: in the order written.
struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Python's name of the type: "str", "int", "dict object", ...
[[nodiscard]] std::string type_name(const Value& value);
[[nodiscard]] bool is_true(const Value& value);
[[nodiscard]] bool are_equal(const Value& a, const Value& b);
/// Whether a < b in Python. Throws Error where Python has no order.
[[nodiscard]] bool is_less(const Value& a, const Value& b);
/// What str() makes of it: lists and dictionaries in Python's own notation.
[[nodiscard]] Text text_of(const Value& value);
/// As Python writes a float.
[[nodiscard]] std::string float_text(double value);
/// A number as a double, a truth as 0 or 1; false if it is neither.
[[nodiscard]] bool as_real(const Value& value, double& real);
/// The same of whole numbers.
[[nodiscard]] bool as_integer(const Value& value, std::int64_t& integer);
/// What `for` goes through: items, keys, code points; nothing of what is undefined. Throws Error for others,
/// and for a generator that was gone through before.
[[nodiscard]] std::vector<Value> items_of(const Value& value);

}  // namespace cola::jinja
