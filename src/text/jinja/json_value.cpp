#include "text/jinja/json_value.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "text/jinja/error.h"

namespace cola::jinja {
namespace {

/// What the parser tells of, built up.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add(None()); }
  bool boolean(bool truth) override { return add(truth); }
  bool number_integer(number_integer_t integer) override { return add(std::int64_t{integer}); }
  bool number_unsigned(number_unsigned_t integer) override {
    if (integer > INT64_MAX) return add(LargeInteger{std::to_string(integer)});
    return add(static_cast<std::int64_t>(integer));
  }
  bool number_float(number_float_t real, const string_t& digits) override {
    const bool is_whole = digits.find_first_not_of("-0123456789") == std::string::npos;
    return is_whole ? add(LargeInteger{digits}) : add(real);
  }
  bool string(string_t& text) override { return add(Text(std::move(text))); }
  bool binary(binary_t& /*bytes*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(true); }
  bool start_array(std::size_t /*size*/) override { return open(false); }
  bool key(string_t& key) override {
    open_.back().key = std::move(key);
    return true;
  }
  bool end_object() override {
    Dict dict = std::move(open_.back().dict);
    open_.pop_back();
    return add(std::move(dict));
  }
  bool end_array() override {
    List list = std::move(open_.back().list);
    open_.pop_back();
    return add(std::move(list));
  }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    const std::string_view text = error.what();  // "[json.exception.parse_error.101] parse error at ..."
    const std::size_t prefix = text.starts_with('[') ? text.find("] ") + 2 : 0;
    throw Error(Error::Kind::malformed, std::string(text.substr(prefix)));
  }

  [[nodiscard]] Value result() { return std::move(result_); }

 private:
  struct Open {
    bool is_dict;
    std::string key;
    Dict dict;
    List list;
  };

  bool open(bool is_dict) {
    constexpr std::size_t most = 100;
    if (open_.size() == most) throw Error(Error::Kind::exhausted, "JSON nested deeper than 100");
    open_.push_back({is_dict, {}, {}, {}});
    return true;
  }

  bool add(Value value) {
    if (open_.empty()) {
      result_ = std::move(value);
    } else if (open_.back().is_dict) {
      open_.back().dict.set(Text(std::move(open_.back().key)), std::move(value));
    } else {
      open_.back().list.items.push_back(std::move(value));
    }
    return true;
  }

  Value result_;
  std::vector<Open> open_;
};

}  // namespace

Value value_of_json(std::string_view json) {
  Builder builder;
  (void)nlohmann::json::sax_parse(json, &builder);
  return builder.result();
}

Value with_origin(const Value& value, std::int32_t part) {
  if (const Text* text = value.text()) return Text(text->bytes, part);
  if (const List* list = value.list()) {
    List copy;
    copy.form = list->form;
    for (const Value& item : list->items) copy.items.push_back(with_origin(item, part));
    return copy;
  }
  if (const Dict* dict = value.dict()) {
    Dict copy;
    for (const auto& [key, item] : dict->items)
      copy.items.emplace_back(with_origin(key, part), with_origin(item, part));
    return copy;
  }
  return value;
}

}  // namespace cola::jinja
